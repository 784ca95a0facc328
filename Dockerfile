# The gateway's image: the locked dependencies, every hash checked; no compiler, no package manager's cache, no root.
#
#   docker build -t gql-gateway .
#   docker run -p 8000:8000 -v ./gateway:/etc/gql-gateway:ro -v gateway-data:/var/lib/gql-gateway gql-gateway
#
# /etc/gql-gateway holds gateway.toml and what it names: the SSH key and known_hosts, readable by user 10001. Its store is
# url = "sqlite+aiosqlite:////var/lib/gql-gateway/gateway.db" or a PostgreSQL database, and its public_url what clients
# call the container.

# The base is named by its tag, since its digest could not be looked up where this was written. Pin both FROM lines in
# your build: `docker buildx imagetools inspect python:3.11-slim-bookworm` tells it, to be put behind the tag as @sha256:…

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
# The lock holds the developers' tools too: all is fetched by its hash, and only what the server needs is installed.
RUN pip wheel --quiet --no-cache-dir --no-deps --require-hashes --wheel-dir /wheels -r requirements.lock \
    && pip install --quiet --no-index --find-links /wheels hatchling
COPY pyproject.toml README.md LICENSE ./
COPY alembic alembic
COPY gql_gateway gql_gateway
RUN pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/gql-gateway \
    && pip --python /opt/gql-gateway install --quiet --no-index --find-links /wheels 'gql-gateway[server]'

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/gql-gateway --shell /usr/sbin/nologin gateway \
    && install -d -o gateway -g gateway -m 0700 /var/lib/gql-gateway
COPY --from=build /opt/gql-gateway /opt/gql-gateway
ENV PATH=/opt/gql-gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GQL_GATEWAY_CONFIG=/etc/gql-gateway/gateway.toml \
    GQL_GATEWAY__SERVER__HOST=0.0.0.0 \
    GQL_GATEWAY__SERVER__PORT=8000
USER 10001
WORKDIR /var/lib/gql-gateway
VOLUME /var/lib/gql-gateway
EXPOSE 8000
# Alive, not ready: a cluster that is away must not make a supervisor restart the gateway.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["gql-gateway"]
CMD ["serve"]
