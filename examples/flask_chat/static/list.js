// The conversations at the side: the latest first, by the day, or those in which the reader's words are found.

import { conversations, isAnswering, titleOf } from "./talk.js"
import { byId, hidden } from "./words.js"

const [list, search, none] = [byId("conversations"), byId("search"), byId("none")]
const DAY = 86_400_000 // ms
let drawn

/** Show the list; `shown` is the conversation in the page. */
export function drawList(shown) {
  const words = search.value.trim().toLowerCase()
  const latest = [...conversations.values()].sort((a, b) => b.changed - a.changed)
  const state = latest.flatMap((each) => {
    const found = words ? find(each, words) : ""
    if (found === undefined) return []
    return [{ id: each.id, title: titleOf(each), found, day: words ? "" : dayOf(each.changed), isShown: each === shown, isAnswering: isAnswering(each) }]
  })
  none.textContent = words ? "Nothing found" : ""
  none.hidden = !words || state.length > 0
  const now = JSON.stringify(state)
  if (drawn === now) return // a link that has the focus stays
  drawn = now
  const focused = document.activeElement.hash
  let day = ""
  list.replaceChildren(...state.flatMap((each) => {
    const items = each.day === day ? [itemOf(each)] : [headOf(each.day), itemOf(each)]
    day = each.day
    return items
  }))
  if (focused) [...list.querySelectorAll("a")].find((link) => link.hash === focused)?.focus()
}

function headOf(day) {
  const item = document.createElement("li")
  item.className = "day"
  item.textContent = day
  return item
}

function itemOf({ id, title, found, isShown, isAnswering }) {
  const item = document.createElement("li")
  const link = document.createElement("a")
  link.href = `#${id}`
  link.title = title
  const name = document.createElement("span")
  name.className = "name"
  name.textContent = title
  link.append(name)
  if (isShown) link.ariaCurrent = "page"
  if (isAnswering) link.append(hidden(", being answered"))
  if (found) {
    const line = document.createElement("span")
    line.className = "small found"
    line.textContent = found
    link.append(" ", line)
  }
  link.classList.toggle("answering", isAnswering)
  item.append(link)
  return item
}

/** The words around the place where they are found, "" in the title, undefined nowhere. */
function find(conversation, words) {
  if (titleOf(conversation).toLowerCase().includes(words)) return ""
  for (const { content } of conversation.messages) {
    const at = content.toLowerCase().indexOf(words)
    if (at >= 0) return `${at > 12 ? "…" : ""}${content.slice(Math.max(0, at - 12), at + 80).replaceAll(/\s+/g, " ")}`
  }
  return undefined
}

function dayOf(time) {
  const today = new Date().setHours(0, 0, 0, 0)
  if (time >= today) return "Today"
  if (time >= today - DAY) return "Yesterday"
  return time >= today - 7 * DAY ? "This week" : "Earlier"
}
