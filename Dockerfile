# A wheel in the first stage, nothing but Python and octoroute in the second.
#
#   docker build -t octoroute .
#   docker run --rm -p 3000:3000 -v ./config.toml:/etc/octoroute/config.toml:ro octoroute

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
 && python -m venv /opt/octoroute \
 && /opt/octoroute/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY octoroute octoroute
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/octoroute/bin/pip install --no-deps --no-compile dist/*.whl \
 && /opt/octoroute/bin/pip uninstall --yes pip \
 && /opt/octoroute/bin/python -m compileall -q /opt/octoroute/lib

# python:3.13-slim is built with profile-guided and link-time optimisation; do not trade it for a smaller image that is not.
FROM python:3.13-slim
COPY --from=build /opt/octoroute /opt/octoroute
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin octoroute
ENV PATH=/opt/octoroute/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /etc/octoroute
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('OCTOROUTE_PORT', '3000') + '/health/live', timeout=2)"]
ENTRYPOINT ["octoroute"]
CMD ["serve", "--config", "/etc/octoroute/config.toml"]
