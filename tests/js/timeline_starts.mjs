// The draft that each start makes of an empty one and a source, to be compared with ltx_nb's verbs.
import { STARTS } from "../../widgets/ltx_widgets/static/timeline/starts.mjs";
import { readJson } from "./read_json.mjs";

const drafts = readJson().map(({ draft, source }) =>
  Object.fromEntries(STARTS.map((start) => [start.name, start.draft(draft, source)])),
);
process.stdout.write(JSON.stringify(drafts));
