// What Relay's compiler makes of a paged list, a refetchable object, mutations and subscriptions.
import { graphql } from "relay-runtime";

export const list = graphql`
  fragment Jobs_user on User @refetchable(queryName: "JobsPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "String" }) {
    jobs(first: $first, after: $after) @connection(key: "Jobs_jobs") {
      edges { cursor node { id ...Jobs_job } }
    }
  }
`;

export const card = graphql`
  fragment Jobs_job on Job @refetchable(queryName: "JobsCardQuery") {
    id
    name
    state
    owner { email }
  }
`;

export const page = graphql`
  query JobsQuery { me { ...Jobs_user } }
`;

export const root = graphql`
  query JobsRootQuery($after: String) {
    jobs(first: 10, after: $after) @connection(key: "JobsRoot_jobs") { edges { node { ...Jobs_job } } }
  }
`;

export const create = graphql`
  mutation JobsCreateMutation($input: CreateJobInput!, $connections: [ID!]!) {
    createJob(input: $input) {
      job @prependNode(connections: $connections, edgeTypeName: "JobEdge") { ...Jobs_job }
      userErrors { code message }
    }
  }
`;

export const remove = graphql`
  mutation JobsDeleteMutation($id: ID!) {
    deleteJob(input: { jobId: $id }) { deletedJobId @deleteRecord userErrors { code } }
  }
`;

export const watch = graphql`
  subscription JobsWatchSubscription($id: ID) { jobStateChanged(jobId: $id) { job { ...Jobs_job } } }
`;
