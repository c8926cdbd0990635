# syntax=docker/dockerfile:1
# A server of lakes, for CPUs (the default target) or for a GPU (`--target gpu`, which reads texts of
# questions with models). Built from the root of the checkout:
#     docker build --file deploy/server.Dockerfile --tag saelake-server .

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY store store
COPY workers workers
COPY proto proto
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm AS base
RUN useradd --create-home --uid 1000 saelake \
    && install --directory --owner saelake --group saelake /cache
COPY constraints.txt /etc/saelake/constraints.txt
# All that is written is under /cache and /tmp: the rest of the image may be read-only.
ENV HF_HOME=/cache/hub NUMBA_CACHE_DIR=/cache/numba PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV SAELAKE_SERVE_HEALTH=0.0.0.0:50052
WORKDIR /home/saelake
VOLUME /cache
EXPOSE 50051 50052 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import grpc; from grpc_health.v1.health_pb2 import HealthCheckRequest as Request; from grpc_health.v1.health_pb2_grpc import HealthStub as Stub; exit(Stub(grpc.insecure_channel('localhost:50052')).Check(Request(), timeout=4).status != 1)"]
ENTRYPOINT ["saelake"]
CMD ["serve"]

FROM base AS gpu
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /etc/saelake/constraints.txt \
    "saelake[gpu,auth,mcp,metrics,traces] @ file://$(ls /wheels/saelake-*.whl)"
USER 1000:1000

FROM base AS cpu
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /etc/saelake/constraints.txt \
    "saelake[store,auth,mcp,metrics,traces] @ file://$(ls /wheels/saelake-*.whl)"
USER 1000:1000
