// schema.graphql in the hands of the tools that front ends are built with.
import { codegen } from "@graphql-codegen/core";
import * as typescript from "@graphql-codegen/typescript";
import * as operationTypes from "@graphql-codegen/typescript-operations";
import graphqlEslint from "@graphql-eslint/eslint-plugin";
import { CriticalityLevel, diff, validate } from "@graphql-inspector/core";
import { ESLint } from "eslint";
import { Source, buildSchema, parse } from "graphql";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, check } from "./harness.mjs";

const HERE = import.meta.dirname;
const SCHEMA = join(HERE, "../../schema.graphql");
const require = createRequire(import.meta.url);
const read = (path) => readFileSync(path, "utf8");
const schema = buildSchema(read(SCHEMA));
const files = readdirSync(join(HERE, "operations")).map((name) => join(HERE, "operations", name));
const scratch = mkdtempSync(join(tmpdir(), "gql-gateway-schema-"));

const plugins = { "@graphql-eslint": graphqlEslint };
const graphQLConfig = { schema: SCHEMA, documents: files };
const inGraphQL = (rules) => ({
  files: ["**/*.graphql"],
  plugins,
  rules,
  languageOptions: { parser: graphqlEslint.parser, parserOptions: { graphQLConfig } },
});

async function lint(paths, rules) {
  const root = join(HERE, "../..");
  const eslint = new ESLint({ cwd: root, overrideConfigFile: true, overrideConfig: [inGraphQL(rules)] });
  const found = (await eslint.lintFiles(paths)).flatMap((result) => result.messages);
  assert.deepEqual(found.map(({ line, ruleId, message }) => `${line}: ${ruleId}: ${message}`), []);
}

const rulesOf = (config) => graphqlEslint.configs[`flat/${config}`].rules ?? graphqlEslint.configs[`flat/${config}`];

// Values: parts of an object, or answers, which nobody looks up again.
const VALUES = {
  suffixes: ["Connection", "Count", "Edge", "Entry", "Error", "Forecast", "Health", "Info", "Payload", "Ticket", "Usage"],
  types: ["Heartbeat", "JobEvent", "JobFile", "Label", "OutputChunk", "Partition", "Resources"],
};

await check("@graphql-eslint: recommended rules for schemas", () =>
  lint([SCHEMA], {
    ...rulesOf("schema-recommended"),
    "@graphql-eslint/strict-id-in-types": ["error", { exceptions: VALUES }],
  }));

await check("@graphql-eslint: Relay's rules", () =>
  lint([SCHEMA], {
    ...rulesOf("schema-relay"),
    "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }], // the events of a job go forwards alone
    "@graphql-eslint/relay-edge-types": [
      "error",
      // Short lists are lists, connections have `nodes` beside `edges`, and an event is found by its cursor.
      { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
    ],
  }));

await check("@graphql-eslint: everything is described", () =>
  lint([SCHEMA], {
    "@graphql-eslint/require-description": [
      "error",
      { types: true, FieldDefinition: true, InputValueDefinition: true, EnumValueDefinition: true, rootField: true },
    ],
  }));

await check("what is deprecated says what to use instead, and until when it stays", () => {
  const reasons = read(SCHEMA).match(/@deprecated.*/g) ?? [];
  const vague = reasons.filter((one) => !/reason: "Use `[^`]+`.* Gone after \d{4}-\d\d-\d\d\."/.test(one));
  assert.deepEqual(vague, []);
});

await check("@graphql-eslint: recommended rules for operations", () =>
  lint(files, rulesOf("operations-recommended")));

await check("graphql-inspector: no breaking change since the last release", async () => {
  const changes = await diff(buildSchema(read(join(HERE, "released.graphql"))), schema);
  const breaking = changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking);
  const marked = JSON.parse(read(join(HERE, "breaking.json")));
  assert.deepEqual(breaking.map(({ message }) => message).filter((message) => !(message in marked)), []);
});

await check("graphql-inspector: a field that goes is a breaking change", async () => {
  const changes = await diff(schema, buildSchema(read(SCHEMA).replace(/^ {2}slurmJobId: String$/m, "  other: String")));
  assert.equal(changes.some(({ criticality }) => criticality.level === CriticalityLevel.Breaking), true);
});

await check("graphql-inspector: every example operation is valid, and uses nothing deprecated", () => {
  const options = { keepClientFields: false, maxDepth: 10, strictDeprecated: true };
  assert.deepEqual(validate(schema, files.map((path) => new Source(read(path), path)), options), []);
});

await check("graphql-inspector: so is every operation of the guide, the README and GraphiQL's tabs", () => {
  const root = join(HERE, "../..");
  const inText = (name) => [...read(join(root, name)).matchAll(/^```graphql\n(.*?)^```/gms)].map((found) => found[1]);
  const tabs = new Function("document", `${read(join(root, "gql_gateway/web/static/explorer-tabs.js"))}; return TABS`);
  const queries = tabs({ baseURI: "http://localhost/" }).map(({ query }) => query);
  const texts = [...inText("docs/api.md"), ...inText("README.md"), ...queries];
  assert.equal(texts.length >= 10, true);
  assert.deepEqual(texts.flatMap((text) => validate(schema, [new Source(text)], { strictDeprecated: true })), []);
});

const USE = `import type { Job } from "./schema";
import type { DetailsQuery, CreateJobMutationVariables, WatchSubscription } from "./gateway";
export function size(answer: DetailsQuery): number {
  return (answer.job?.files ?? []).reduce((sum: number, file) => sum + file.size, 0);
}
export const input: CreateJobMutationVariables = { input: { name: "n", image: "docker://alpine" } };
export const whole = (job: Job): string => job.owner.email;
export const state = (event: WatchSubscription): string => event.jobStateChanged.state;
// @ts-expect-error a job needs an image
export const wrong: CreateJobMutationVariables = { input: { name: "n" } };
`;

const COMPILER = ["--strict", "--noEmit", "--target", "es2022", "--moduleResolution", "bundler", "--module", "esnext"];

await check("graphql-codegen and tsc: types of the schema and of every operation, used strictly", async () => {
  const documents = files.map((location) => ({ location, document: parse(read(location)) }));
  const config = { scalars: { ByteCount: "number", DateTime: "string", Upload: "File" }, strictScalars: true };
  const generate = (filename, plugin) =>
    codegen({ filename, schema: parse(read(SCHEMA)), documents, config, plugins: [{ plugin: config }], pluginMap: { plugin } });
  writeFileSync(join(scratch, "schema.ts"), await generate("schema.ts", typescript));
  writeFileSync(join(scratch, "gateway.ts"), await generate("gateway.ts", operationTypes));
  writeFileSync(join(scratch, "use.ts"), USE);
  const tsc = require.resolve("typescript/bin/tsc");
  const compiled = spawnSync(process.execPath, [tsc, ...COMPILER, "use.ts"], { cwd: scratch, encoding: "utf8" });
  assert.equal(compiled.stdout, "");
});

await check("relay-compiler: a paged list, refetchable objects, mutations and a subscription", () => {
  cpSync(join(HERE, "relay"), join(scratch, "relay"), { recursive: true });
  cpSync(SCHEMA, join(scratch, "schema.graphql"));
  writeFileSync(join(scratch, "package.json"), "{}");
  const scalars = { ByteCount: "number", DateTime: "string", Upload: "File" };
  const config = { src: "./relay", schema: "./schema.graphql", language: "typescript", customScalarTypes: scalars };
  writeFileSync(join(scratch, "relay.config.json"), JSON.stringify(config));
  const compiler = require("relay-compiler");
  const said = execFileSync(compiler, ["relay.config.json"], { cwd: scratch, encoding: "utf8", stdio: "pipe" });
  assert.doesNotMatch(said, /error/i);
  assert.equal(readdirSync(join(scratch, "relay/__generated__")).length, 9);
});

rmSync(scratch, { recursive: true });
process.exit(0);
