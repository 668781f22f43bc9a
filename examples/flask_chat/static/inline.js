// The text of a block of Markdown: emphasis, code and links, made by `textContent` alone.

// No part of it looks past a mark of its own kind, so that the time grows with the length and not with its square.
const INLINE = new RegExp([
  "\\\\(?<escaped>[!-/:-@\\[-`{-~])",
  "``(?<code2>[^`]+(?:`[^`]+)*)``",
  "`(?<code>[^`]+)`",
  "\\*\\*\\*(?=\\S)(?<both>[^*]+)(?<=\\S)\\*\\*\\*",
  "\\*\\*(?=\\S)(?<strong>[^*]+)(?<=\\S)\\*\\*",
  "\\b__(?=\\S)(?<strong2>[^_]+)(?<=\\S)__\\b",
  "\\*(?=\\S)(?<em>[^*]+)(?<=\\S)\\*",
  "\\b_(?=\\S)(?<em2>[^_]+)(?<=\\S)_\\b",
  "~~(?=\\S)(?<gone>[^~]+)(?<=\\S)~~",
  "!?\\[(?<label>[^[\\]]+)\\]\\((?<address>https?://[^\\s()]+)\\)",
  "\\b(?<bare>https?://[^\\s()<>\"'`|*]*[\\w/#=&-])",
].join("|"), "gu")

/** Append what `text` says to `parent`, and return that. */
export function inline(parent, text) {
  let at = 0
  for (const found of text.matchAll(INLINE)) {
    parent.append(text.slice(at, found.index), made(found.groups))
    at = found.index + found[0].length
  }
  parent.append(text.slice(at))
  return parent
}

function made({ escaped, code, code2, both, strong, strong2, em, em2, gone, label, address, bare }) {
  if (escaped) return escaped
  if (code ?? code2) return element("code", code ?? code2.replace(/^ (.*) $/s, "$1"))
  if (both) {
    const outer = element("strong")
    outer.append(inline(element("em"), both))
    return outer
  }
  if (strong ?? strong2) return inline(element("strong"), strong ?? strong2)
  if (em ?? em2) return inline(element("em"), em ?? em2)
  if (gone) return inline(element("s"), gone)
  // A picture is a link too: to load it would tell its server that, and what, somebody reads here.
  return label ? link(label, address) : link(bare, bare)
}

function link(label, address) {
  const anchor = element("a", label)
  anchor.href = address // http or https, by the pattern
  anchor.rel = "noopener noreferrer"
  anchor.target = "_blank"
  return anchor
}

export function element(name, text = "") {
  const node = document.createElement(name)
  node.textContent = text
  return node
}
