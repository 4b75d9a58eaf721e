# The image installs as `make run` does: the same script, the same locked packages.

FROM python:3.11-slim-bookworm AS build
# gcc: safe-pysha3 has no wheels
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/zevm
COPY . .
RUN make install

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/zevm --create-home zevm
COPY --from=build /opt/zevm /opt/zevm
USER zevm
WORKDIR /var/lib/zevm
VOLUME /var/lib/zevm
ENV PATH=/opt/zevm/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ZEVM_HOST=0.0.0.0 \
    ZEVM_PORT=8545 \
    ZEVM_QUIC_HOST=0.0.0.0 \
    ZEVM_ZNS_HOST=0.0.0.0 \
    ZEVM_DATADIR=/var/lib/zevm/chain
EXPOSE 8545 8545/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['ZEVM_PORT'] + '/health', timeout=4)"]
ENTRYPOINT ["zevm"]
CMD ["run"]
