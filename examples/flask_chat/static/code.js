// A block of code: its language, a button that copies it, and colours.
//
// One pattern for each family of languages tells comments, strings, numbers and words apart. That is less than a parser knows, and
// right nearly everywhere: what it takes wrongly is a colour, never the text.

import { element } from "./inline.js"

const STRINGS = String.raw`(?<string>"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)`
const PLAIN_STRINGS = String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)`
const TICKS = String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|` + "`(?:[^`\\\\]|\\\\.)*`?)"
const QUOTED = String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)'|b?'\\[^'\n]+')` // ' alone is Rust's lifetime
const HASH = String.raw`(?<comment>#.*)`
const SLASHES = String.raw`(?<comment>//.*|/\*[^]*?(?:\*/|$))`
const DASHES = String.raw`(?<comment>--.*|/\*[^]*?(?:\*/|$))`
const REST = String.raw`(?<number>\b(?:0[xob][\da-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)\b)|(?<word>[\p{L}_$@][\p{L}\p{N}_$]*)(?<paren>\()?`

const PYTHON = `and as assert async await break case class continue def del elif else except finally for from global if import in is
  lambda match nonlocal not or pass raise return try while with yield None True False self`
const SCRIPT = `abstract as async await break case catch class const continue default delete do else enum export extends false finally for
  from function get if implements import in instanceof interface let new null of return set static super switch this throw true try
  type typeof undefined var void while yield private public protected readonly`
const C_LIKE = `auto bool break case catch char class const constexpr continue default defer delete do double else enum extends extern
  false final float fn for func function go goto if impl implements import in include int interface let long loop match mod move mut
  namespace new nil null nullptr override package private protected pub public range ref return self short signed sizeof static str
  string struct super switch template this throw throws trait true try type typedef typename union unsigned use using val var
  virtual void volatile when where while`
const SHELL = `if then else elif fi for while until do done case esac in function return local export source set unset cd echo sudo
  true false end def class module require begin rescue ensure nil self unless`
const SQL = `select from where group by order having limit offset join left right inner outer full cross on as and or not null is in
  like between exists union all distinct insert into values update set delete create table view index primary key foreign references
  drop alter add column default case when then else end with returning desc asc count sum avg min max begin commit rollback`

const FAMILIES = [
  ["python py python3 pycon ipython", [STRINGS, HASH, REST], PYTHON],
  ["js javascript jsx mjs ts typescript tsx", [TICKS, SLASHES, REST], SCRIPT],
  ["json jsonc json5", [PLAIN_STRINGS, SLASHES, REST], "true false null"],
  ["c h cpp c++ cc cs csharp java kotlin kt swift scala dart php", [PLAIN_STRINGS, SLASHES, REST], C_LIKE],
  ["go golang", [TICKS, SLASHES, REST], C_LIKE],
  ["rust rs zig", [QUOTED, SLASHES, REST], C_LIKE],
  ["css scss less", [PLAIN_STRINGS, String.raw`(?<comment>/\*[^]*?(?:\*/|$))`, String.raw`(?<key>@?[\w-]+(?=\s*:))`, REST], ""],
  ["bash sh shell zsh fish console ruby rb make makefile dockerfile perl r", [PLAIN_STRINGS, HASH, REST], SHELL],
  ["yaml yml toml ini conf nginx properties", [PLAIN_STRINGS, HASH, String.raw`(?<key>^[ \t-]*[\w.-]+(?=\s*[:=]))`, REST], "true false null yes no on off"],
  ["sql postgresql mysql sqlite lua haskell hs", [PLAIN_STRINGS, DASHES, REST], SQL],
  ["html xml svg vue", [String.raw`(?<comment><!--[^]*?(?:-->|$))`, String.raw`(?<key><\/?[\w:-]+|\/?>)`, String.raw`(?<call>[\w:-]+(?==))`, PLAIN_STRINGS], ""],
  ["diff patch", [String.raw`(?<added>^\+.*)`, String.raw`(?<removed>^-.*)`, String.raw`(?<comment>^@@.*)`], ""],
]
const LANGUAGES = new Map(FAMILIES.flatMap(([names, parts, words]) => {
  const family = { pattern: new RegExp(parts.join("|"), "gimu"), keywords: new Set(words.split(/\s+/)) }
  return names.split(" ").map((name) => [name, family])
}))

// Longer code stays without colours: each is an element, and this is done again with each frame while the code comes.
const LONGEST = 40_000

/** The element for a block of code; `there`, what was shown of it before, goes on when it is one: it keeps its focus and place. */
export function codeBlock(there, language, text) {
  const figure = there?.className === "code" && there.dataset.language === language ? there : blank(language)
  const code = figure.querySelector("code")
  code.replaceChildren(...coloured(language, text))
  return figure
}

function blank(language) {
  const [figure, caption, pre, copy] = [element("figure"), element("figcaption"), element("pre"), element("button", "Copy")]
  figure.className = "code"
  figure.dataset.language = language
  copy.type = "button"
  copy.className = "copy" // the page listens: what is shown here has no functions of its own
  copy.ariaLabel = "Copy the code"
  caption.append(element("span", language), copy)
  pre.tabIndex = 0 // it may be wider than the page: the keyboard scrolls it
  pre.append(element("code"))
  figure.append(caption, pre)
  return figure
}

function* coloured(language, text) {
  const family = LANGUAGES.get(language.toLowerCase())
  if (!family || text.length > LONGEST) return yield text
  let at = 0
  for (const found of text.matchAll(family.pattern)) {
    const [kind, words] = kindOf(found.groups, family.keywords)
    if (!kind) continue
    yield text.slice(at, found.index)
    const span = element("span", words)
    span.className = kind
    yield span
    at = found.index + words.length
  }
  yield text.slice(at)
}

/** What was found: its class in the style sheet and its text; nothing for a word that is only a name. */
function kindOf({ word, paren, ...others }, keywords) {
  const [kind, words] = Object.entries(others).find(([, value]) => value !== undefined) ?? []
  if (kind) return [kind, words]
  const isLoud = word === word.toUpperCase() // as SQL often is
  if (keywords.has(isLoud ? word.toLowerCase() : word)) return ["keyword", word]
  if (word.startsWith("@")) return ["key", word]
  return [paren ? "call" : undefined, word]
}
