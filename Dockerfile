# The gateway's image: the locked dependencies, every hash checked; no compiler, no package manager's cache, no root.
#
#   docker build -t gql-gateway .
#   docker run -p 8000:8000 -v ./gateway:/etc/gql-gateway:ro -v gateway-data:/var/lib/gql-gateway gql-gateway
#
# /etc/gql-gateway holds gateway.toml and what it names: the SSH key and known_hosts, readable by user 10001. Its store is
# url = "sqlite+aiosqlite:////var/lib/gql-gateway/gateway.db" or a PostgreSQL database, and its public_url what clients
# call the container.

# Both stages start from one multi-platform image, named by its digest, with the Python that the lock is made for. The
# digest could not be pulled where this was written: it is what unrelated public repositories name for this tag, one of
# them as resolved on 2026-10-01. Compare it before you trust it, and raise it by what the tag says then, by
#
#   docker buildx imagetools inspect python:3.11-slim-bookworm        # prints `Digest:`, and `Name:` by platform

FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
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

FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
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
