import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** Writes NOTICE: what the page is made of, and under which licences. */
function notice(): Plugin {
  const licence = (name: string, file = "LICENSE") => readFileSync(new URL(`node_modules/${name}/${file}`, import.meta.url), "utf8").trim();
  const version = (name: string) =>
    (JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")) as { version: string }).version;
  const rule = "-".repeat(78);
  return {
    name: "notice",
    apply: "build",
    generateBundle() {
      const head = readFileSync(new URL("NOTICE.in", import.meta.url), "utf8").trim();
      const parts = ["preact", "lightweight-charts"].map((name) => `${name} ${version(name)}\n\n${licence(name)}`);
      const filled = head.replaceAll("{fancy-canvas}", version("fancy-canvas"));
      this.emitFile({ type: "asset", fileName: "NOTICE", source: `${[filled, ...parts].join(`\n\n${rule}\n\n`)}\n` });
    },
  };
}

export default defineConfig({
  base: "/",
  plugins: [notice()],
  build: {
    target: "es2022",
    // Nothing becomes a data: address: the page's policy lets only files of its own in.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8765", ws: true } } },
});
