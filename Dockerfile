# The service in a container: not root, with nothing to write but its volume and /tmp.
#
#   docker build --tag pricing-sync .
#   docker run --read-only --tmpfs /tmp --volume prices:/var/lib/pricing-sync \
#       --env ADMIN_TOKEN --publish 8080:8080 pricing-sync
#
# Arguments: PYTHON_VERSION, 3.11 to 3.13; DEBIAN, the base image's variant; USER_ID, who runs it.

ARG PYTHON_VERSION=3.13
ARG DEBIAN=slim-bookworm

FROM python:${PYTHON_VERSION}-${DEBIAN} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/pricing-sync
# The packages first: they change less often than the program.
COPY deploy/image.lock ./
RUN /opt/pricing-sync/bin/pip install --require-hashes --requirement image.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/pricing-sync/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/pricing-sync/bin/pip install --no-deps /dist/*.whl \
    && /opt/pricing-sync/bin/pip check \
    && /opt/pricing-sync/bin/pip uninstall --yes \
        hatchling pathspec pluggy trove-classifiers pip

FROM python:${PYTHON_VERSION}-${DEBIAN}
ARG USER_ID=10001
RUN groupadd --gid "${USER_ID}" pricing-sync \
    && useradd --uid "${USER_ID}" --gid "${USER_ID}" --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin pricing-sync \
    && install --directory --owner "${USER_ID}" --group "${USER_ID}" --mode 0750 \
        /var/lib/pricing-sync \
    && install --directory /etc/pricing-sync
COPY --from=build /opt/pricing-sync /opt/pricing-sync
ENV PATH=/opt/pricing-sync/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PRICING_SYNC_HOST=0.0.0.0 \
    PRICING_SYNC_PORT=8080 \
    PRICING_SYNC_LOG_FORMAT=json \
    PRICING_SYNC_DATABASE=sqlite:////var/lib/pricing-sync/prices.db
# pricing-sync.toml is read from here.
WORKDIR /etc/pricing-sync
VOLUME /var/lib/pricing-sync
EXPOSE 8080
USER ${USER_ID}:${USER_ID}
# The port is that of the environment: with another one, set PRICING_SYNC_PORT rather than --port.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['PRICING_SYNC_PORT']), timeout=4); c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["pricing-sync"]
CMD ["serve"]
