/** The result of a benchmark, the same for the terminal, the Markdown, the JSON and the page. */
export interface Report {
  readonly title: string;
  /** How it was measured, so that the figures can be read: a paragraph each. */
  readonly about: readonly string[];
  readonly tables: readonly Table[];
  readonly plots: readonly Bars[];
  readonly targets: readonly Target[];
  /** The measured figures of each round, for the JSON. */
  readonly figures: object;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  /** A change in the first column begins a new group. */
  readonly rows: readonly (readonly string[])[];
}

/** Whether rows share their first column. The second column then identifies the rows of a group. */
export function isGrouped({ rows }: Table): boolean {
  return new Set(rows.map(([first]) => first)).size < rows.length;
}

/** One plot: a bar for each contender. */
export interface Bars {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
}

/** A figure that is to be reached, in the same words whether it was or not. */
export interface Target {
  readonly reached: boolean;
  readonly text: string;
}

/** The machine, the time and the versions of a run. */
export interface Setting {
  readonly command: string;
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
  /** The commit of Tenure, if there is a repository. */
  readonly commit: string;
  /** The versions of Node, PostgreSQL, and every peer. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Whether a contender is Tenure, by its name. */
export function isOurs(name: string): boolean {
  return /tenure/i.test(name);
}
