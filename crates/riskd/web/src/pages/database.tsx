import type { ComponentChildren } from "preact";
import { bytes, milliseconds, number } from "../lib/format.ts";
import type { Database as DatabaseData } from "../lib/types.ts";
import { Icon } from "../parts/icon.tsx";
import { Empty, Failed, Time } from "../parts/values.tsx";
import { get } from "../state/api.ts";
import { useKeys } from "../state/keys.ts";
import { deskZone } from "../state/live.ts";
import { useLoad } from "../state/load.ts";
import { go } from "../state/route.ts";

export function Database() {
  const loaded = useLoad("database", () => get<DatabaseData>("/database"));
  useKeys({ Escape: () => go("/") });
  const data = loaded.data;
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>Database</h1>
        <button type="button" class="button small" disabled={loaded.busy} onClick={loaded.again}>
          {loaded.busy ? "Looking…" : "Look again"}
        </button>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : null}
      {data ? <Facts data={data} /> : loaded.error ? null : <Empty>Looking at the file…</Empty>}
    </>
  );
}

function Facts({ data }: { data: DatabaseData }) {
  const zone = deskZone();
  const current = data.schema_version === data.head_version;
  const ok = data.integrity.ok;
  return (
    <>
      <dl class="figures cards">
        <Figure name="Schema version" tone={current ? "good" : "bad"} value={`v${data.schema_version}`}>
          {current ? "the newest" : `riskd knows v${data.head_version}`}
        </Figure>
        <Figure name="Integrity" tone={ok === null ? "" : ok ? "good" : "bad"} value={ok === null ? "Not checked" : ok ? "Sound" : "Damaged"}>
          {data.integrity.checked_at ? <Time at={data.integrity.checked_at} zone={zone} full /> : "riskd db verify checks it"}
        </Figure>
        <Figure name="Size" tone="" value={bytes(data.size_bytes)}>
          and {bytes(data.wal_bytes)} of write-ahead log
        </Figure>
        <Figure name="Backups" tone={data.backups.length ? "" : "bad"} value={number(data.backups.length)}>
          {data.backups.length ? `${data.backups.filter((each) => each.verified === true).length} verified` : "riskd db backup makes one"}
        </Figure>
      </dl>
      <p class="path">
        <span class="faint">File</span> <code>{data.path}</code> <span class="faint">· journal mode {data.journal_mode}</span>
      </p>
      <section class="panel flush" aria-labelledby="migrations">
        <h2 id="migrations">Migrations</h2>
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="migrations">
          <table class="table">
            <thead>
              <tr>
                <th>Version</th>
                <th>Applied</th>
                <th>What it did</th>
                <th class="right">Took</th>
                <th>Outcome</th>
              </tr>
            </thead>
            <tbody>
              {[...data.migrations].sort((a, b) => b.version - a.version).map((each) => (
                <tr key={`${each.version} ${each.applied_at}`}>
                  <th scope="row" class="num">
                    v{each.version}
                  </th>
                  <td>
                    <Time at={each.applied_at} zone={zone} full />
                  </td>
                  <td>{each.description}</td>
                  <td class="right num">{milliseconds(each.execution_time_ms)}</td>
                  <td>
                    <Verdict ok={each.success} yes="Done" no={each.error ?? "Failed"} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <div class="halves">
        <section class="panel flush" aria-labelledby="backups">
          <h2 id="backups">Backups</h2>
          {data.backups.length === 0 ? (
            <Empty>None found. `riskd db backup` makes one.</Empty>
          ) : (
            <div class="scroll" tabIndex={0} role="group" aria-labelledby="backups">
              <table class="table">
                <thead>
                  <tr>
                    <th>Made</th>
                    <th>Version</th>
                    <th class="right">Size</th>
                    <th>Verified</th>
                    <th>File</th>
                  </tr>
                </thead>
                <tbody>
                  {data.backups.map((each) => (
                    <tr key={each.path}>
                      <th scope="row">
                        <Time at={each.made_at} zone={zone} full />
                      </th>
                      <td class="num">{each.version === null ? "–" : `v${each.version}`}</td>
                      <td class="right num">{bytes(each.size_bytes)}</td>
                      <td>{each.verified === null ? <span class="faint">not checked</span> : <Verdict ok={each.verified} yes="Yes" no="No" />}</td>
                      <td>
                        <code title={each.path}>{each.path.split("/").at(-1)}</code>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
        <section class="panel flush" aria-labelledby="tables">
          <h2 id="tables">Tables</h2>
          <table class="table">
            <thead>
              <tr>
                <th>Table</th>
                <th class="right">Rows</th>
              </tr>
            </thead>
            <tbody>
              {data.tables.map((each) => (
                <tr key={each.name}>
                  <th scope="row">
                    <code>{each.name}</code>
                  </th>
                  <td class="right num">{number(each.rows)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </div>
    </>
  );
}

function Figure({ name, value, tone, children }: { name: string; value: string; tone: "" | "good" | "bad"; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span class={`big num figure-${tone}`}>
          {tone ? <Icon name={tone === "good" ? "check" : "warning"} /> : null} {value}
        </span>{" "}
        <span class="faint">{children}</span>
      </dd>
    </div>
  );
}

function Verdict({ ok, yes, no }: { ok: boolean; yes: string; no: string }) {
  return (
    <span class={`outcome ${ok ? "confirmed" : "failed"}`}>
      <Icon name={ok ? "check" : "cross"} /> {ok ? yes : no}
    </span>
  );
}
