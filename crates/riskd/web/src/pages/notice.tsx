import { Failed } from "../parts/values.tsx";
import { text } from "../state/api.ts";
import { useLoad } from "../state/load.ts";

export function Notice() {
  const loaded = useLoad("notice", () => text("/NOTICE"));
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>Software of others in this page</h1>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : null}
      <pre class="notice">{loaded.data}</pre>
    </>
  );
}
