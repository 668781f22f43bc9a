// Markdown to nodes, by `textContent` alone: whatever the text is, it makes none but the elements below, and runs nothing.
//
// What is not Markdown, or not yet, stays as it was written: so an answer that is still coming can be shown at any moment.

import { codeBlock } from "./code.js"
import { element, inline } from "./inline.js"
import { begins, table } from "./table.js"

const FENCE = /^ {0,3}(`{3,}|~{3,}) *([\w+#.-]*)/
const HEADING = /^ {0,3}(#{1,6}) +(.*)/
const RULE = /^ {0,3}([-*_])(?: *\1){2,}\s*$/
const QUOTE = /^ {0,3}> ?/
const ITEM = /^( {0,3})(?:[-*+]|(\d{1,9})[.)])(\s+|$)/
const STARTS = [FENCE, HEADING, RULE, QUOTE, ITEM]

// Lists and quotes within each other, beyond which they are text: a browser has an end too.
const DEEPEST = 6

/**
 * Show `text` in `parent`. What is there from an earlier and shorter text is kept where it still fits, so that a
 * selection survives, and a long answer costs no more than its last block.
 *
 * @returns {number} how many blocks of it are finished, if more text comes
 */
export function render(parent, text) {
  const blocks = split(text.split("\n"), 0)
  blocks.forEach((block, at) => {
    const there = parent.children[at]
    if (there?.source === block.source) return
    const made = block.make(there)
    made.source = block.source
    if (!there) parent.append(made)
    else if (made !== there) there.replaceWith(made)
  })
  while (parent.children.length > blocks.length) parent.lastElementChild.remove()
  return Math.max(0, blocks.length - 1)
}

// Blocks: each has its source, and a function that makes its element; it may go on with the one that is there.

function split(lines, depth) {
  const blocks = []
  for (let at = 0; at < lines.length;) {
    if (!lines[at].trim()) {
      at += 1
      continue
    }
    const [end, make] = block(lines, at, depth)
    blocks.push({ source: lines.slice(at, end).join("\n"), make })
    at = end
  }
  return blocks
}

function block(lines, at, depth) {
  const line = lines[at]
  if (FENCE.test(line)) return fence(lines, at)
  if (HEADING.test(line)) return [at + 1, () => heading(line)]
  if (begins(lines, at)) return table(lines, at)
  if (RULE.test(line)) return [at + 1, () => element("hr")]
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth)
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth)
  const end = paragraphEnd(lines, at + 1)
  return [end, () => inline(element("p"), lines.slice(at, end).join("\n"))]
}

/** Behind the last line of a paragraph: at a blank one, or where something else starts. */
function paragraphEnd(lines, at) {
  const goesOn = (line) => line.trim() && !STARTS.some((start) => start.test(line))
  while (at < lines.length && goesOn(lines[at]) && !begins(lines, at)) at += 1
  return at
}

function fence(lines, at) {
  const [, marks, language] = FENCE.exec(lines[at])
  const closes = (line) => line.trim().startsWith(marks) && !line.trim().slice(marks.length).replaceAll(marks[0], "")
  const end = after(lines, at + 1, (line) => !closes(line)) // the end of the text, when it has not come yet
  return [Math.min(end + 1, lines.length), (there) => codeBlock(there, language, lines.slice(at + 1, end).join("\n"))]
}

function heading(line) {
  const [, marks, text] = HEADING.exec(line)
  return inline(element(`h${Math.min(6, marks.length + 2)}`), text) // the page has h1 and h2 itself
}

function quote(lines, at, depth) {
  const end = after(lines, at, (line) => QUOTE.test(line))
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""))
  return [end, () => filled(element("blockquote"), inner, depth)]
}

function list(lines, at, depth) {
  const [, , number] = ITEM.exec(lines[at])
  const items = []
  let end = at
  for (let next = at; next < lines.length; next = after(lines, end, (line) => !line.trim())) {
    const found = ITEM.exec(lines[next])
    if (!found || (found[2] === undefined) !== (number === undefined)) break
    const width = found[0].trimEnd().length + 1
    end = itemEnd(lines, next + 1)
    const rest = lines.slice(next + 1, end).map((line) => line.replace(new RegExp(`^ {0,${width}}`), ""))
    items.push([lines[next].slice(found[0].length), ...rest])
  }
  return [end, () => {
    const made = element(number === undefined ? "ul" : "ol")
    if (number > 1) made.start = number
    made.append(...items.map((item) => filled(element("li"), item, depth)))
    return made
  }]
}

/** Behind the last line that belongs to an item: those that are indented, and blank ones between them. */
function itemEnd(lines, at) {
  let end = at
  for (; at < lines.length; at += 1) {
    if (!lines[at].trim()) continue
    if (!/^(?: {2}|\t)/.test(lines[at])) break
    end = at + 1
  }
  return end
}

function filled(parent, lines, depth) {
  const blocks = split(lines, depth + 1)
  // The usual item is one line, and needs no paragraph of its own.
  if (blocks.length > 0 && parent.localName === "li") {
    const first = blocks[0].make()
    parent.append(...(first.localName === "p" ? first.childNodes : [first]))
    blocks.shift()
  }
  parent.append(...blocks.map((each) => each.make()))
  return parent
}

/** The first index from `at` on whose line does not hold, or the end. */
function after(lines, at, holds) {
  while (at < lines.length && holds(lines[at])) at += 1
  return at
}
