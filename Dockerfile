# One image: the wheel, built in one stage, installed in the next.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG RUST_IMAGE=rust:1-slim-bookworm

FROM ${RUST_IMAGE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/dev.txt requirements/dev.txt
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir "$(grep '^maturin==' requirements/dev.txt)"
COPY pyproject.toml Cargo.toml Cargo.lock README.md LICENSE ./
COPY .cargo/ .cargo/
COPY core/ core/
# Both, or python/tocsin_api points nowhere and the wheel has no API.
COPY api/ api/
COPY python/ python/
RUN /venv/bin/maturin build --release --locked --interpreter python3 --out /dist

FROM ${PYTHON_IMAGE}
COPY --from=build /dist/*.whl /tmp/
# /content is for the files of several nodes (TOCSIN_CONTENT); a volume mounted there gets its owner.
RUN pip install --no-cache-dir /tmp/*.whl && rm /tmp/*.whl \
    && useradd --system --uid 10001 --create-home --home-dir /data tocsin \
    && install --directory --owner=tocsin /content
USER tocsin
WORKDIR /data
VOLUME /data
# Nothing is written but under /data (and /content), so that the rest may be read-only: uploads wait in TMPDIR.
ENV TOCSIN_HOST=0.0.0.0 TOCSIN_DATA=/data TOCSIN_LOG_FORMAT=json TMPDIR=/data PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('TOCSIN_HTTP_PORT', '8080'), timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tocsin"]
CMD ["serve"]
