# IoTHub in a container: docs/guides/containers.md. scripts/container-steps.mjs does these steps in a folder of its own in CI; an image was
# never built of them where IoTHub is developed.

FROM node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/prepare.mjs ./scripts/
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production
# 1883 is the user that Mosquitto's image has, so that volumes can be taken over.
RUN mkdir -p /etc/iothub /var/lib/iothub && chown 1883:1883 /var/lib/iothub
COPY --from=build /build/package.json /opt/iothub/
COPY --from=build /build/node_modules /opt/iothub/node_modules
COPY --from=build /build/dist /opt/iothub/dist
COPY deploy/container/iothub.toml /etc/iothub/
COPY LICENSE /opt/iothub/
USER 1883:1883
WORKDIR /var/lib/iothub
VOLUME /var/lib/iothub
EXPOSE 1883
STOPSIGNAL SIGTERM
# It asks the server by its control socket whether clients may be sent to it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5m --start-interval=2s CMD ["node", "/opt/iothub/dist/cli/main.js", "healthcheck", "--data", "/var/lib/iothub"]
ENTRYPOINT ["node", "/opt/iothub/dist/cli/main.js"]
CMD ["--config", "/etc/iothub/iothub.toml"]
