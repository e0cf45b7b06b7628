# One image for every process of the Procfile; which one runs is the command's to say.
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 ledger
WORKDIR /srv/ledger
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY --chown=ledger:ledger . .
RUN install -d -o ledger -g ledger /var/lib/ledger
USER ledger
ENV STATE_DIR=/var/lib/ledger HOST=0.0.0.0 PORT=8000
EXPOSE 8000
CMD ["honcho", "start", "web", "projections", "consumers", "timers"]
