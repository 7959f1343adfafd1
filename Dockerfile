# One image with every executable; the command says which one runs. Built in stages, run by nobody in particular.
FROM node:20-bookworm-slim AS console
WORKDIR /console
COPY console/package.json console/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY console/ ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /valence
COPY Cargo.toml Cargo.lock ./
COPY bin bin
COPY src src
COPY lua lua
COPY --from=console /console/dist console/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/valence/target \
    cargo build --release --locked --bins && mkdir /out && \
    cp target/release/valence target/release/valence-api target/release/valence-worker target/release/valence-scheduler \
       target/release/podm-sim /out/

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /usr/local/bin/
RUN install -d -o 65532 -g 65532 /data
# A number, so that runAsNonRoot can be checked without a look into the image.
USER 65532:65532
STOPSIGNAL SIGTERM
CMD ["valence-api"]
