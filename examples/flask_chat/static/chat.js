// The page: a list of conversations, the messages of one of them, and answers that go on while another is looked at.
//
// The address names the conversation that is shown, as #id: so "back" works, a reload comes back to it, and each tab has its own.

import * as kept from "./kept.js"
import { render } from "./markdown.js"
import { answer, models, Told } from "./server.js"

const [log, messages, welcome, question, model, notice, announcer] = [
  "log", "messages", "welcome", "question", "model", "notice", "announcer",
].map(byId)

const conversations = new Map(kept.all().map((each) => [each.id, each]))
const answering = new Map() // the id of a conversation: what stops its answer
let shown // the conversation in the page; kept when it has a message
let views = [] // of its messages, in their order
let drawing // the request for the next frame, while there is one

// Conversations.

/** Show the conversation that the address names, or a new one. */
function open() {
  const id = location.hash.slice(1)
  shown = conversations.get(id) ?? kept.fresh(model.value)
  if (id !== shown.id) history.replaceState(null, "", `#${shown.id}`)
  chooseModel(shown.model)
  views = []
  messages.replaceChildren()
  announcer.replaceChildren()
  draw()
  log.scrollTop = log.scrollHeight
  byId("sidebar").hidePopover()
  question.focus()
}

function begin() {
  history.pushState(null, "", "#")
  open()
}

function save(conversation) {
  if (!conversations.has(conversation.id)) return // deleted while it was answered
  try {
    kept.keep(conversation)
  } catch {
    tell("This browser can keep no more. Delete conversations that you do not need.")
  }
}

function titleOf(conversation) {
  return conversation.messages[0]?.content.trim().split("\n")[0].slice(0, 80) ?? "New conversation"
}

// Asking.

function send() {
  const content = question.value.trim()
  if (!content || answering.has(shown.id)) return
  if (!model.value) return tell("There is no model yet.", loadModels)
  question.value = ""
  shown.messages.push({ role: "user", content })
  ask(shown)
  log.scrollTop = log.scrollHeight
}

function retry() {
  if (answering.has(shown.id)) return
  shown.messages.pop()
  views.pop().article.remove()
  question.focus() // the button has gone
  ask(shown)
}

async function ask(conversation) {
  const stopper = new AbortController()
  const asked = conversation.messages.filter((each) => each.content).map(({ role, content }) => ({ role, content }))
  const reply = { role: "assistant", content: "", thinking: "", model: model.value }
  conversation.messages.push(reply)
  Object.assign(conversation, { model: model.value, changed: Date.now() })
  conversations.set(conversation.id, conversation)
  answering.set(conversation.id, stopper)
  save(conversation)
  draw()
  try {
    for await (const parts of answer(conversation.model, asked, stopper.signal)) {
      parts.forEach((part) => add(reply, part))
      drawing ??= requestAnimationFrame(draw)
    }
    reply.ended = "done"
  } catch (error) {
    reply.ended = stopper.signal.aborted ? "stopped" : "failed"
    if (reply.ended === "failed") reply.error = error instanceof Told ? error.message : String(error)
  }
  answering.delete(conversation.id)
  save(conversation)
  draw()
  if (conversation !== shown) announce(`${endings[reply.ended]}: ${titleOf(conversation)}`)
}

function add(reply, part) {
  reply.content += part.message.content ?? ""
  reply.thinking += part.message.thinking ?? ""
  if (part.done && part.eval_duration) {
    reply.stats = { tokens: part.eval_count, seconds: part.eval_duration / 1e9 } // the server counts in ns
  }
}

// Drawing: once a frame, what has changed.

const endings = { done: "Answered", stopped: "Stopped", failed: "Failed" }

function draw() {
  cancelAnimationFrame(drawing)
  drawing = undefined
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  const added = shown.messages.slice(views.length).map(viewOf)
  const changed = [...views.slice(-1), ...added] // of those that were there, only the last can change
  views.push(...added)
  changed.forEach((view) => view.draw())
  welcome.hidden = views.length > 0
  if (isAtEnd) log.scrollTop = log.scrollHeight
  drawControls()
  drawList()
}

function drawControls() {
  const isAnswering = answering.has(shown.id)
  const hadFocus = [byId("send"), byId("stop")].includes(document.activeElement)
  byId("send").hidden = isAnswering
  byId("stop").hidden = !isAnswering
  if (hadFocus) question.focus() // a button that goes takes the focus along
  byId("delete").hidden = !conversations.has(shown.id)
  byId("title").textContent = titleOf(shown)
  document.title = `${titleOf(shown)} | Chat`
}

function drawList() {
  const latest = [...conversations.values()].sort((a, b) => b.changed - a.changed)
  const state = latest.map((each) => [each.id, titleOf(each), each === shown, answering.has(each.id)])
  const list = byId("conversations")
  if (list.drawn === JSON.stringify(state)) return // a link that has the focus stays
  list.drawn = JSON.stringify(state)
  const focused = document.activeElement.hash
  list.replaceChildren(...state.map(([id, title, isShown, isAnswering]) => {
    const item = document.createElement("li")
    const link = document.createElement("a")
    link.href = `#${id}`
    link.textContent = title
    if (isShown) link.ariaCurrent = "page"
    if (isAnswering) link.append(hidden(", being answered"))
    link.classList.toggle("answering", isAnswering)
    item.append(link)
    return item
  }))
  if (focused) [...list.querySelectorAll("a")].find((link) => link.hash === focused)?.focus()
}

function viewOf(message) {
  const article = byId(message.role).content.cloneNode(true).firstElementChild
  const part = (selector) => article.querySelector(selector)
  messages.append(article)
  if (message.role === "user") {
    part(".text").textContent = message.content
    return { article, draw() {} }
  }
  part("h2").textContent = message.model
  part(".error button").addEventListener("click", retry)
  let spoken = message.ended ? Infinity : 0 // blocks; an answer of old is not read out
  return { article, draw() {
    const isAnswering = message === shown.messages.at(-1) && answering.has(shown.id)
    article.ariaBusy = isAnswering
    part("details").hidden = !message.thinking
    part("summary").textContent = isAnswering && !message.content ? "Thinking…" : "Thoughts"
    part(".text").textContent = message.thinking
    let finished = render(part(".answer"), message.content)
    part(".waiting").hidden = !isAnswering || Boolean(message.content)
    part(".error").hidden = !message.error
    part(".error span").textContent = message.error ? `Failed: ${message.error}.` : ""
    part(".error button").hidden = message !== shown.messages.at(-1)
    part(".state").textContent = isAnswering ? "" : stateOf(message)
    // Read out by the block: a whole paragraph can be followed, a token cannot.
    if (!isAnswering) finished = part(".answer").children.length
    for (; spoken < finished; spoken += 1) announce(part(".answer").children[spoken].textContent)
    if (!isAnswering && spoken < Infinity) {
      announce(endings[message.ended])
      spoken = Infinity
    }
  } }
}

function stateOf({ ended, stats }) {
  if (ended === "failed") return ""
  if (ended !== "done") return "Stopped before its end"
  if (!stats) return ""
  const { tokens, seconds } = stats
  return `${tokens} tokens · ${(tokens / seconds).toFixed(1)} tokens/s · ${seconds.toFixed(1)} s`
}

// Words to the reader: those of the page, and those for a screen reader only.

function tell(words, again) {
  notice.querySelector("span").textContent = words
  notice.querySelector("button").hidden = !again
  notice.querySelector("button").onclick = again
  notice.hidden = !words
}

function announce(words) {
  const line = document.createElement("p")
  line.textContent = words
  announcer.append(line)
}

function hidden(words) {
  const made = document.createElement("span")
  made.className = "hidden"
  made.textContent = words
  return made
}

// Models.

async function loadModels() {
  tell("")
  try {
    const names = await models()
    model.replaceChildren(...names.map((name) => new Option(name)))
    model.disabled = !names.length
    if (names.length) chooseModel(shown.model)
    else tell("The server has no model yet: fetch one by “ollama pull llama3.2”.", loadModels)
  } catch (error) {
    if (!(error instanceof Told)) throw error
    tell(`No models: ${error.message}.`, loadModels)
  }
}

/** Choose it if the server has it; else the one that is chosen stays. */
function chooseModel(name) {
  const option = [...model.options].find((each) => each.value === name)
  if (option) option.selected = true
}

// What the reader does.

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault()
  send()
})
question.addEventListener("keydown", (event) => {
  // While a word is composed, as in Japanese, Enter ends the word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  send()
})
byId("stop").addEventListener("click", () => answering.get(shown.id)?.abort())
document.addEventListener("keydown", (event) => {
  const closesSidebar = byId("sidebar").matches(":popover-open")
  if (event.key === "Escape" && !event.isComposing && !closesSidebar) answering.get(shown.id)?.abort()
})
byId("new").addEventListener("click", begin)
byId("delete").addEventListener("click", () => {
  if (!confirm(`Delete “${titleOf(shown)}”?`)) return
  answering.get(shown.id)?.abort()
  conversations.delete(shown.id)
  kept.forget(shown)
  begin()
})
byId("skip").addEventListener("click", (event) => {
  event.preventDefault() // the hash is for conversations
  question.focus()
})
window.addEventListener("hashchange", open)
window.addEventListener("pagehide", () => {
  // What has come so far is kept. The browser would hang up by itself, but that would look like a broken connection.
  answering.forEach((stopper, id) => {
    stopper.abort()
    save(conversations.get(id))
  })
})
kept.watch((id, conversation) => {
  if (answering.has(id)) return // ours is newer
  if (conversation) conversations.set(id, conversation)
  else conversations.delete(id)
  if (shown.id === id && conversation) open()
  else drawList()
})

function byId(id) {
  return document.getElementById(id)
}

open()
loadModels()
