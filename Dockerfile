# The gateway with all it needs to start: SQLite in /data, nothing else has to run beside it.
# Every dependency comes as a wheel, for amd64 and arm64 alike, so there is no compiler. What
# installs them stays in the first stage.
FROM python:3.13-slim AS build

ENV PYTHONDONTWRITEBYTECODE=1

# Before the code, so that a change of code does not install anything again.
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements.lock \
    && /opt/venv/bin/pip uninstall --yes --disable-pip-version-check pip

COPY . .
# The settings create a secret key in DATA_DIR; the one of this step must not stay in the image.
RUN DATA_DIR=/tmp/build /opt/venv/bin/python manage.py collectstatic --noinput \
    && rm -rf /tmp/build \
    && /opt/venv/bin/python -m compileall -q bridge dashboard proxysite

FROM python:3.13-slim

LABEL org.opencontainers.image.title="claude-bridge" \
    org.opencontainers.image.description="The Claude Messages API in front of OpenAI-compatible backends" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT"

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8080

# The numbers are fixed, so that a volume keeps its owner from one image to the next.
RUN groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway /data

WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

USER 10001:10001
VOLUME /data
EXPOSE 8080

# 503 (no backend can be asked) counts as unhealthy. http.client ignores HTTP_PROXY, as it should here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); ask.request('GET', '/health'); sys.exit(ask.getresponse().status != 200)"]

STOPSIGNAL SIGTERM

# A list, so that SIGTERM reaches the gateway itself, which then lets running answers finish.
CMD ["python", "manage.py", "serve"]
