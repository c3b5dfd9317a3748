// What a test in Python gave to a script.
import { readFileSync } from "node:fs";

export function readJson() {
  return JSON.parse(readFileSync(0, "utf8"));
}
