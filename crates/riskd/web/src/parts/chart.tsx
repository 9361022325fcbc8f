import {
  AreaSeries,
  createChart,
  HistogramSeries,
  LineSeries,
  LineStyle,
  LineType,
  type IChartApi,
  type ISeriesApi,
  type SeriesType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "preact/hooks";
import { dollars, milliseconds } from "../lib/format.ts";
import { bareMinute, clock, day } from "../lib/time.ts";
import { colour, colours } from "../state/theme.ts";
import { useStore } from "../state/store.ts";

export interface Line {
  kind: "line" | "step" | "area" | "bars";
  colour: string;
  title: string;
  points: { time: number | string; value: number; colour?: string }[];
  limits?: { value: number; title: string }[];
}

interface Props {
  label: string;
  lines: Line[];
  unit: "dollars" | "ms";
  /** Of the times; without one the points are days. */
  zone?: string;
  height?: number;
}

/** A chart that follows its data. The table beside it says the same in words. */
export function Chart({ label, lines, unit, zone, height = 280 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi | null>(null);
  const series = useRef<ISeriesApi<SeriesType>[]>([]);
  const followed = useRef(true);
  const tint = useStore(colours);
  const shape = lines.map((line) => `${line.kind}${line.title}${JSON.stringify(line.limits ?? [])}`).join("|");
  useEffect(() => {
    if (!place.current) {
      return;
    }
    const made = createChart(place.current, options(unit, zone));
    chart.current = made;
    followed.current = true;
    series.current = lines.map((line) => add(made, line, unit));
    return () => {
      chart.current = null;
      series.current = [];
      made.remove();
    };
  }, [shape, unit, zone, tint]);
  useEffect(() => {
    lines.forEach((line, place) => {
      series.current[place]?.setData(line.points.map((point) => ({ time: point.time as UTCTimestamp, value: point.value, ...(point.colour ? { color: colour(point.colour) } : {}) })));
    });
    if (followed.current) {
      chart.current?.timeScale().fitContent();
    }
  }, [lines, shape, tint]);
  return <div class="chart" ref={place} role="img" aria-label={label} style={{ height: `${height}px` }} />;
}

function options(unit: Props["unit"], zone: string | undefined) {
  const date = (time: Time) => (typeof time === "number" ? time * 1000 : 0);
  return {
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      textColor: colour("faint"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      // The link to its makers is in the page's foot: the library's own would need an inline style.
      attributionLogo: false,
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("hairline") } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.12 } },
    timeScale: {
      borderVisible: false,
      timeVisible: zone !== undefined,
      rightOffset: zone === undefined ? 0 : 2,
      lockVisibleTimeRangeOnResize: true,
      ...(zone === undefined ? {} : { tickMarkFormatter: (time: Time) => bareMinute(date(time), zone) }),
    },
    crosshair: { horzLine: { labelBackgroundColor: colour("accent") }, vertLine: { labelBackgroundColor: colour("accent") } },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
    localization: {
      priceFormatter: unit === "dollars" ? dollars : (value: number) => milliseconds(Math.max(0, value)),
      timeFormatter: (time: Time) => (zone === undefined ? day(dayText(time)) : clock(date(time), zone)),
    },
  };
}

function dayText(time: Time): string {
  return typeof time === "string" ? time : typeof time === "object" ? `${time.year}-${String(time.month).padStart(2, "0")}-${String(time.day).padStart(2, "0")}` : "";
}

function add(chart: IChartApi, line: Line, unit: Props["unit"]): ISeriesApi<SeriesType> {
  const main = colour(line.colour);
  const limits = line.limits ?? [];
  const common = {
    title: "",
    priceLineVisible: false,
    lastValueVisible: line.kind !== "bars",
    priceFormat: { type: "custom" as const, minMove: 0.01, formatter: unit === "dollars" ? dollars : milliseconds },
    // The limits stay in sight however small the day has been.
    autoscaleInfoProvider: (original: () => { priceRange: { minValue: number; maxValue: number } | null } | null) => {
      const info = original();
      const values = [...limits.map((limit) => limit.value), 0];
      const range = info?.priceRange ?? { minValue: 0, maxValue: 0 };
      return { priceRange: { minValue: Math.min(range.minValue, ...values), maxValue: Math.max(range.maxValue, ...values) } };
    },
  };
  const made =
    line.kind === "bars"
      ? chart.addSeries(HistogramSeries, { ...common, color: main })
      : line.kind === "area"
        ? chart.addSeries(AreaSeries, { ...common, lineColor: main, topColor: `${main}33`, bottomColor: `${main}05`, lineWidth: 2 })
        : chart.addSeries(LineSeries, { ...common, color: main, lineWidth: 2, lineType: line.kind === "step" ? LineType.WithSteps : LineType.Simple });
  for (const limit of limits) {
    made.createPriceLine({ price: limit.value, color: main, lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: true, title: limit.title });
  }
  return made as ISeriesApi<SeriesType>;
}
