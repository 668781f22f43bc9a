// The page: a list of conversations, the messages of one of them, and answers that go on while another is looked at.
//
// The address names the conversation that is shown, as #id: so "back" works, a reload comes back to it, and each tab has its own.

import { listen } from "./composer.js"
import { fresh } from "./kept.js"
import { drawList } from "./list.js"
import { endings, viewOf } from "./message.js"
import { choose, chosen, loadModels } from "./models.js"
import * as settings from "./settings.js"
import * as talk from "./talk.js"
import { announce, byId, copy, tell } from "./words.js"

const [log, messages, question] = ["log", "messages", "question"].map(byId)
let shown // the conversation in the page; kept when it has a message
let views = [] // of its messages, in their order
let wasAnswering = false
let drawing // the request for the next drawing, while there is one
let pause = 0 // ms until the next drawing, so that an endless paragraph leaves the page time for its reader
let waiting // for the end of the pause
let isFollowed = true // the end is in sight, and stays there

// Conversations.

/** Show the conversation that the address names, or a new one. */
function open() {
  const id = location.hash.slice(1)
  shown = talk.conversations.get(id) ?? fresh(chosen())
  if (id !== shown.id) history.replaceState(null, "", `#${shown.id}`)
  choose(shown.model)
  show()
  byId("sidebar").hidePopover()
  question.focus()
}

function show() {
  views = []
  messages.replaceChildren()
  byId("announcer").replaceChildren()
  talk.follow(shown)
  draw()
  toEnd()
}

function begin() {
  history.pushState(null, "", "#")
  open()
}

// Asking.

function send(content, images) {
  if (talk.isAnswering(shown)) return false
  if (!chosen()) {
    tell("There is no model yet.", () => loadModels(shown.model))
    return false
  }
  shown.messages.push({ role: "user", content, ...(images.length && { images }) })
  ask()
  return true
}

function ask() {
  shown.model = chosen() || shown.model
  tell("")
  talk.ask(shown)
  toEnd()
}

/** Leave out the messages from that one on. */
function cut(at) {
  shown.messages.length = at
  views.splice(at).forEach((view) => view.article.remove())
}

function again() {
  if (talk.isAnswering(shown)) return
  cut(shown.messages.length - 1)
  question.focus() // the button has gone
  ask()
}

function resend(message, content) {
  if (talk.isAnswering(shown)) return
  cut(shown.messages.indexOf(message))
  shown.messages.push({ ...message, content })
  question.focus()
  ask()
}

// Drawing: what has changed, once a frame, or less often where that takes long.

function drawSoon() {
  if (drawing || waiting) return
  const soon = () => {
    drawing = requestAnimationFrame(timedDraw)
    waiting = undefined
  }
  if (pause) waiting = setTimeout(soon, pause)
  else soon()
}

function timedDraw() {
  const began = performance.now()
  draw()
  const took = performance.now() - began
  pause = took < 12 ? 0 : 3 * took
}

function draw() {
  cancelAnimationFrame(drawing)
  drawing = undefined
  const isAnswering = talk.isAnswering(shown)
  const first = isAnswering === wasAnswering ? views.length - 1 : 0 // of those that were there, else only the last can change
  wasAnswering = isAnswering
  for (const message of shown.messages.slice(views.length)) {
    views.push(viewOf(message, { again, resend }))
    messages.append(views.at(-1).article)
  }
  views.forEach((view, at) => { if (at >= first) view.draw(at === views.length - 1, isAnswering) })
  byId("welcome").hidden = views.length > 0
  if (isFollowed) log.scrollTop = log.scrollHeight
  drawControls(isAnswering)
  drawList(shown)
}

function drawControls(isAnswering) {
  const hadFocus = [byId("send"), byId("stop")].includes(document.activeElement)
  byId("send").hidden = isAnswering
  byId("stop").hidden = !isAnswering
  if (hadFocus) question.focus() // a button that goes takes the focus along
  const isKept = talk.conversations.has(shown.id)
  for (const button of byId("menu").querySelectorAll("button")) button.disabled = !isKept
  byId("title").textContent = talk.titleOf(shown)
  document.title = `${talk.titleOf(shown)} | Chat`
  const areSet = settings.areSet(shown)
  byId("set").classList.toggle("set", areSet)
  byId("set").ariaLabel = byId("set").title = areSet ? "Settings (changed)" : "Settings"
}

// The end of the page stays in sight, unless its reader looks back.

function toEnd() {
  isFollowed = true
  byId("latest").hidden = true
  log.scrollTop = log.scrollHeight
}

log.addEventListener("scroll", () => {
  const rest = log.scrollHeight - log.scrollTop - log.clientHeight
  isFollowed = rest < 40
  byId("latest").hidden = rest < 160
})
byId("latest").addEventListener("click", () => {
  toEnd()
  question.focus()
})
new ResizeObserver(() => { if (isFollowed) log.scrollTop = log.scrollHeight }).observe(log)

// What the reader does.

listen(send)
byId("stop").addEventListener("click", () => talk.stop(shown))
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault()
    if (!byId("sidebar").checkVisibility()) byId("sidebar").showPopover()
    byId("search").focus()
  }
  const closes = document.querySelector(":popover-open, dialog[open]") || event.target === byId("search") // what Escape is for there
  if (event.key === "Escape" && !event.isComposing && !closes) talk.stop(shown)
})
byId("search").addEventListener("input", () => drawList(shown))
messages.addEventListener("click", ({ target }) => {
  const button = target.closest("figure .copy")
  if (button) copy(button.closest("figure").querySelector("code").textContent, button)
})
byId("new").addEventListener("click", begin)
byId("model").addEventListener("change", () => { shown.model = chosen() })
byId("set").addEventListener("click", () => settings.ask(shown, () => {
  talk.save(shown)
  draw()
}))
const menu = {
  rename: () => settings.rename(shown, (isChanged) => {
    if (isChanged) talk.save(shown)
    draw()
  }),
  markdown: () => settings.exportMarkdown(shown),
  json: () => settings.exportJSON(shown),
  delete() {
    if (!confirm(`Delete “${talk.titleOf(shown)}”?`)) return
    talk.remove(shown)
    begin()
  },
}
byId("menu").addEventListener("click", ({ target }) => {
  const name = target.closest("button")?.value
  if (!name) return
  byId("menu").hidePopover()
  menu[name]()
})
byId("skip").addEventListener("click", (event) => {
  event.preventDefault() // the hash is for conversations
  question.focus()
})
window.addEventListener("hashchange", open)
window.addEventListener("offline", () => tell("This device is offline. An answer that is under way goes on when it is back."))
window.addEventListener("online", () => loadModels(shown.model))

await talk.load({
  changed(id, conversation) {
    if (id !== shown?.id) return shown && drawSoon()
    if (!conversation) return begin() // deleted in another tab
    shown = conversation
    show()
  },
  ended(conversation, answer) {
    if (conversation !== shown) announce(`${endings[answer.ended]}: ${talk.titleOf(conversation)}`)
  },
  full: () => tell("This browser can keep no more. Delete conversations that you do not need."),
})
open()
loadModels(shown.model)
