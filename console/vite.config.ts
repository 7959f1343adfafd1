import { defineConfig } from "vite";

// Where `npm run dev` finds an API: `valence up` on this machine, unless it is told another.
const api = process.env.VALENCE_API_URL ?? "http://127.0.0.1:8181";

export default defineConfig({
  base: "/console/",
  // Nothing inline: the server's Content-Security-Policy allows neither inline scripts and styles nor data: addresses.
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, cssCodeSplit: false },
  server: { proxy: { "/v1": api, "/readyz": api } },
});
