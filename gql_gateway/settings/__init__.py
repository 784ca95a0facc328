"""What an operator may set. Read by the command line and the composition root only, and unpacked there."""

from gql_gateway.settings.cluster import ClusterSettings
from gql_gateway.settings.load import SettingsError, load
from gql_gateway.settings.model import Auth, Limits, Logging, Server, Settings, Store, Watch

__all__ = [
    "Auth",
    "ClusterSettings",
    "Limits",
    "Logging",
    "Server",
    "Settings",
    "SettingsError",
    "Store",
    "Watch",
    "load",
]
