"""`python -m gql_gateway.cli`: the command line, where its script is not in PATH."""

from gql_gateway.cli import main

main()
