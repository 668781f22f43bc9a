// Tables of Markdown: a head, a line of dashes, and rows. What is broken stays text.

import { element, inline } from "./inline.js"

const DASHES = /^ {0,3}\|?(?: *:?-+:? *\|)* *:?-+:? *\|? *$/

// Beyond this it is nothing that anybody reads, and a browser takes its time for a cell.
const WIDEST = 60

/** Whether a table begins at that line. */
export function begins(lines, at) {
  const below = lines[at + 1]
  if (!lines[at].includes("|") || !below?.includes("-") || below.length > 1000 || !DASHES.test(below)) return false
  const width = cells(below).length
  return width <= WIDEST && cells(lines[at]).length === width
}

/** The table at that line: the index behind it, and what makes its element. */
export function table(lines, at) {
  let end = at + 2
  while (end < lines.length && lines[end].includes("|")) end += 1
  return [end, (there) => drawn(there, lines.slice(at, end))]
}

function drawn(there, [head, dashes, ...rows]) {
  const alignments = cells(dashes).map(alignment)
  const outer = there?.className === "table" ? there : element("div")
  outer.className = "table"
  outer.tabIndex = 0 // it may be wider than the page: the keyboard scrolls it
  outer.role = "region"
  outer.ariaLabel = "Table"
  const made = element("table")
  const [thead, tbody] = [element("thead"), element("tbody")]
  thead.append(row("th", head, alignments))
  tbody.append(...rows.map((each) => row("td", each, alignments)))
  made.append(thead, tbody)
  outer.replaceChildren(made)
  return outer
}

function row(name, line, alignments) {
  const made = element("tr")
  made.append(...cells(line).slice(0, alignments.length).map((text, column) => {
    const cell = inline(element(name), text)
    if (alignments[column]) cell.className = alignments[column]
    return cell
  }))
  return made
}

function cells(line) {
  return line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"))
}

function alignment(dashes) {
  const marks = dashes.replaceAll(/-+/g, "-")
  if (marks === ":-:") return "center"
  return marks === "-:" ? "right" : ""
}
