"""The configuration: file and environment together, and every fault told with its place."""

import dataclasses
from pathlib import Path

import pytest

from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.settings import ClusterSettings, Settings, SettingsError, load
from gql_gateway.settings.page import page

PROJECT = Path(__file__).parent.parent
KEY = "k" * 32
FILE = """
[server]
port = 8123
[[clusters]]
name = "local"
host = "login.example.org"
username = "hpcgw"
private_key = "id"
known_hosts = "known_hosts"
root = "/scratch/hpcgw"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "id").touch()
    (tmp_path / "known_hosts").touch()
    path = tmp_path / "gateway.toml"
    path.write_text(FILE)
    return path


def faults(file: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(file, environ or {})
    return str(caught.value).splitlines()


def test_paths_are_relative_to_the_file(file: Path) -> None:
    settings = load(file, {})
    assert settings.clusters[0].private_key == file.parent / "id"
    assert settings.store.database == f"sqlite+aiosqlite:///{file.parent}/gateway.db"
    assert settings.server.url == "http://127.0.0.1:8123"


def test_the_environment_wins_and_reaches_into_lists(file: Path) -> None:
    settings = load(
        None,
        {
            "GQL_GATEWAY_CONFIG": str(file),
            "GQL_GATEWAY__SERVER__PORT": "9000",
            "GQL_GATEWAY__SERVER__PUBLIC_URL": "https://hpc.example.org/",
            "GQL_GATEWAY__CLUSTERS__0__IMAGE_ALLOW": '["docker://a/*"]',
        },
    )
    assert (settings.server.port, settings.server.url) == (9000, "https://hpc.example.org")
    assert settings.clusters[0].image_allow == ("docker://a/*",)
    assert settings.clusters[0].host == "login.example.org"


def test_a_secret_s_file_takes_the_place_of_the_secret(file: Path) -> None:
    (file.parent / "dsn").write_text("postgresql+asyncpg://u:p@h/d")
    file.write_text(FILE + '[store]\nurl = "sqlite+aiosqlite:///a.db"\n')
    by_file = load(file, {"GQL_GATEWAY__STORE__URL_FILE": "dsn", "GQL_GATEWAY__STORE__URL": ""})
    assert by_file.store.database == "postgresql+asyncpg://u:p@h/d"
    file.write_text(FILE + '[store]\nurl_file = "dsn"\n')
    by_url = load(file, {"GQL_GATEWAY__STORE__URL": "sqlite+aiosqlite:////tmp/b.db"})
    assert by_url.store.database == "sqlite+aiosqlite:////tmp/b.db"


def test_the_environment_alone_is_enough(file: Path) -> None:
    names = {"name": "a", "host": "h", "username": "u", "root": "/r"}
    names |= {"private_key": str(file.parent / "id"), "known_hosts": str(file.parent / "known_hosts")}
    settings = load(None, {f"GQL_GATEWAY__CLUSTERS__0__{key.upper()}": value for key, value in names.items()})
    assert settings.clusters[0].name == "a"


def test_secrets_come_from_files(file: Path) -> None:
    (file.parent / "keys").write_text(f"{KEY}new\n{KEY}old\n")
    (file.parent / "dsn").write_text("postgresql+asyncpg://u:hidden@h/d\n")
    environ = {"GQL_GATEWAY__SERVER__SECRET_FILE": "keys", "GQL_GATEWAY__STORE__URL_FILE": "dsn"}
    settings = load(file, environ)
    assert settings.server.secrets == (f"{KEY}new", f"{KEY}old")
    assert settings.store.database == "postgresql+asyncpg://u:hidden@h/d"
    assert "hidden" not in repr(settings)
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[server]\nprot = 1\n", "server.prot: unknown key. Did you mean port?"),
        ("[servr]\nport = 1\n", "servr: unknown key. Did you mean server?"),
        ("[server]\nport = 99999\n", "server.port: should be less than or equal to 65535."),
        ('[server]\npublic_url = "gateway"\n', "server.public_url: must be http://HOST"),
        ('[server]\nsecret = "short"\n', "server.secret: each key must have at least 32 characters."),
        ('[server]\nsecret = "short"\nsecret_file = "id"\n', "server: give `secret` or `secret_file`, not both."),
        ('[server]\nsecret_file = "nix"\n', "server.secret_file: there is no file "),
        ('[server]\nallowed_origins = ["https://a.b/c"]\n', "server.allowed_origins[0]: 'https://a.b/c' must be an"),
        ('[store]\nurl = "mysql://h/d"\n', "store.url: must be sqlite+aiosqlite:///FILE or postgresql"),
        ('[store]\nurl = "sqlite+aiosqlite:///nix/a.db"\n', "store.url: there is no folder "),
        ('[store]\nurl = "postgresql+asyncpg://u:p@h"\n', "store.url: must be sqlite+aiosqlite:///FILE or postgresql"),
        ('[logging]\nformat = "xml"\n', "logging.format: should be 'auto', 'json' or 'console'."),
    ],
)
def test_faults_name_file_and_key(file: Path, text: str, fault: str) -> None:
    rest = FILE.partition("[[clusters]]")
    file.write_text(text + rest[1] + rest[2])
    (line,) = faults(file)
    assert line.startswith(f"{file}: {fault}")


TEMPLATE = """account = "template"
account_template = "hpc-{local}"
account_domains = ["Good.example"]
account_root = "/home/{account}/hpcgw"
"""


def test_accounts_of_users(file: Path) -> None:
    file.write_text(FILE + TEMPLATE + 'account_private_key = "keys/{account}"\n')
    (cluster,) = load(file, {}).clusters
    assert cluster.account_domains == ("good.example",)
    assert cluster.account_private_key == f"{file.parent}/keys/{{account}}"
    (file.parent / "table").write_text("ada@b.c ada\n")
    file.write_text(FILE + 'account = "table"\naccount_table = "table"\naccount_root = "/home/{account}/x"\n')
    assert load(file, {}).clusters[0].account_table == file.parent / "table"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"template"', '"shared"', '`account_domains` has no meaning with `account = "shared"`.'),
        ('"template"', '"table"', '`account = "table"` needs `account_table`.'),
        ('account_domains = ["Good.example"]\n', "", '`account = "template"` needs `account_domains`.'),
        ("Good.example", "@x", ".account_domains: '@x' is not what stands behind @ in an e-mail address."),
        ("hpc-{local}", "{user}", ".account_template: must be the name of an account with {local} or {folder} in it."),
        ("hpc-{local}", "{local}{folder}", ".account_template: must be the name of an account with {local} or"),
        ("hpc-{local}", "../{local}", ".account_template: must be the name of an account with {local} or {folder}"),
        ("/home/{account}/hpcgw", "/home/hpcgw", ".account_root: must hold {account}: two accounts cannot share"),
        ("/home/{account}/hpcgw", "/home/{account}/../x", ".account_root: must be an absolute path of letters, digits"),
        ("hpcgw", 'hpcgw"\naccount_table = "nix', ".account_table: there is no file "),
    ],
)
def test_faults_of_accounts(file: Path, old: str, new: str, fault: str) -> None:
    file.write_text(FILE + TEMPLATE.replace(old, new))
    (line,) = faults(file)
    assert line.startswith(f"{file}: clusters[0]"), line
    assert fault in line


def test_a_table_of_accounts_is_read_once_before(file: Path) -> None:
    (file.parent / "table").write_text("ada@b.c root:x\n")
    file.write_text(FILE + 'account = "table"\naccount_table = "table"\naccount_root = "/home/{account}/x"\n')
    (line,) = faults(file)
    assert line.startswith(f"{file}: clusters[0].account_table: {file.parent}/table: line 1 is not an e-mail address")


def test_every_fault_is_told_at_once(file: Path) -> None:
    (file.parent / "id").unlink()
    lines = faults(file, {"GQL_GATEWAY__SERVER__PORT": "x", "GQL_GATEWAY__CLUSTERS__0__ROOT": "/a b"})
    assert [line.split(": ")[0] for line in lines] == [
        "environment variable GQL_GATEWAY__SERVER__PORT",
        str(file),
        "environment variable GQL_GATEWAY__CLUSTERS__0__ROOT",
    ]


@pytest.mark.parametrize("name", ["GQL_GATEWAY__SERVR__PORT", "GQL_GATEWAY__SERVER__PROT", "GQL_GATEWAY__X"])
def test_an_unknown_variable_is_a_fault(file: Path, name: str) -> None:
    (line,) = faults(file, {name: "1"})
    assert line.startswith(f"environment variable {name}: unknown key.")


def test_no_file_no_toml_no_cluster(tmp_path: Path) -> None:
    assert faults(tmp_path / "nix.toml") == [f"{tmp_path}/nix.toml: cannot be read: No such file or directory"]
    (tmp_path / "bad.toml").write_text("[server")
    assert "is not TOML" in faults(tmp_path / "bad.toml")[0]
    assert faults(None) == [
        "environment: clusters: none is configured: add a [[clusters]] table with name, host, username and the rest."
    ]


def test_clusters_have_names_of_their_own(file: Path) -> None:
    file.write_text(FILE + FILE.partition("port = 8123\n")[2])
    assert faults(file) == [f"{file}: clusters: two clusters are called local."]


def test_a_cluster_can_be_told_all_that_it_takes() -> None:
    keys = {key for key in ClusterSettings.model_fields if not key.startswith("account")}
    assert keys == {field.name for field in dataclasses.fields(ClusterConfig)}


def test_defaults_are_those_of_the_cluster() -> None:
    for field in dataclasses.fields(ClusterConfig):
        ours = ClusterSettings.model_fields[field.name]
        if field.default is not dataclasses.MISSING and field.name != "image_allow":
            assert ours.default == field.default, field.name


def test_every_key_is_described_and_the_page_is_up_to_date() -> None:
    assert "None |" not in page()
    assert (PROJECT / "docs" / "configuration.md").read_text() == page(), "run: gql-gateway settings"
    sections = {"server", "store", "auth", "limits", "watcher", "clusters", "logging", "marketplace"}
    assert set(Settings.model_fields) == sections
