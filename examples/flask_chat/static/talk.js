// Conversations and their answers: asking, following, stopping, keeping. Nothing here knows the page.
//
// The server works on an answer whether or not a page follows it. A conversation whose last message has no `ended` is being answered;
// whoever shows it follows that answer from its beginning, so that a reload or a second tab loses nothing and asks nothing twice.

import * as kept from "./kept.js"
import * as server from "./server.js"

export const conversations = new Map() // by their id
const following = new Map() // the id of an answer: what ends following it
const adopted = new Map() // the id of an answer: what gives its lock back, once this tab has it
const LOST_AFTER = 10_000 // ms, from the question until the server must have said which answer it is
const SAVE_EVERY = 2000 // ms, while an answer comes: what is there if the server forgets it

let hear // {changed(conversation), ended(conversation), full()}

/** Take what is kept, and tell `listener` what changes from now on. */
export async function load(listener) {
  hear = listener
  kept.watch(take)
  for (const each of await kept.all().catch(() => (hear.full(), []))) {
    conversations.set(each.id, each)
    if (isAnswering(each)) adopt(each)
  }
}

/** What another tab has kept, or forgotten. An answer that this tab follows is as new here. */
function take(id, conversation) {
  const answer = conversations.get(id)?.messages.at(-1)
  if (conversation && answer?.id && following.has(answer.id) && conversation.messages.at(-1)?.id === answer.id) return
  if (answer) drop(answer)
  if (conversation) conversations.set(id, conversation)
  else conversations.delete(id)
  if (conversation && isAnswering(conversation)) adopt(conversation)
  hear.changed(id, conversation)
}

export function isAnswering(conversation) {
  const last = conversation.messages.at(-1)
  return last?.role === "assistant" && !last.ended
}

export function titleOf({ title, messages }) {
  if (title) return title
  const [first] = messages
  return first?.content.trim().split("\n")[0].slice(0, 120) || (first ? "A picture" : "New conversation")
}

/** Have the last question answered. */
export async function ask(conversation) {
  const request = requestOf(conversation)
  const answer = { role: "assistant", content: "", thinking: "", model: conversation.model }
  conversation.messages.push(answer)
  conversation.changed = Date.now()
  conversations.set(conversation.id, conversation)
  save(conversation)
  hear.changed()
  try {
    answer.id = await server.start(request)
  } catch (error) {
    return finish(conversation, answer, error)
  }
  if (answer.ended || !conversations.has(conversation.id)) return server.stop(answer.id).catch(() => {}) // by its reader, meanwhile
  save(conversation)
  follow(conversation)
  adopt(conversation)
}

function requestOf({ model, system, options, think, messages }) {
  const said = messages.filter((each) => each.content || each.images?.length).map(({ role, content, images }) => ({ role, content, images }))
  if (system) said.unshift({ role: "system", content: system })
  return { model, messages: said, options, think }
}

/** Follow the answer that a conversation waits for, if it does and is not followed already. */
export function follow(conversation) {
  const answer = conversation.messages.at(-1)
  if (!isAnswering(conversation) || !answer.id || following.has(answer.id)) return
  let saved = Date.now()
  following.set(answer.id, server.follow(answer.id, {
    begin: () => Object.assign(answer, { content: "", thinking: "" }),
    part(part) {
      add(answer, part)
      hear.changed()
      if (Date.now() - saved < SAVE_EVERY) return
      saved = Date.now()
      save(conversation)
    },
    end: (error) => finish(conversation, answer, error),
    lost(isLost) {
      answer.isLost = isLost
      hear.changed()
    },
  }))
}

/**
 * See to it that some tab follows the answer, shown or not, else the server would give it up: the tab that has its lock. When that
 * is closed, another one gets it. That not all tabs follow is for the browser, which has six connections to one server.
 */
function adopt({ id, changed, messages }) {
  const answer = messages.at(-1)
  if (!answer.id) return setTimeout(giveUp, changed + LOST_AFTER - Date.now(), id, answer)
  if (!navigator.locks) return followThat(id, answer) // without TLS only localhost has them
  if (adopted.has(answer.id)) return
  adopted.set(answer.id, undefined)
  navigator.locks.request(`answer:${answer.id}`, () => {
    if (!followThat(id, answer)) return adopted.delete(answer.id)
    return new Promise((resolve) => { adopted.set(answer.id, resolve) })
  })
}

function followThat(id, answer) {
  const conversation = conversations.get(id)
  const isOpen = conversation && isAnswering(conversation) && conversation.messages.at(-1).id === answer.id
  if (isOpen) follow(conversation)
  return isOpen
}

/** The page was left before the server had said which answer it is: nobody will ever know. */
function giveUp(id, answer) {
  const conversation = conversations.get(id)
  const last = conversation?.messages.at(-1)
  if (last && !last.id && last.role === answer.role && isAnswering(conversation)) {
    finish(conversation, last, new server.Told("the page was left before the question had arrived"))
  }
}

function drop({ id }) {
  following.get(id)?.()
  following.delete(id)
  adopted.get(id)?.()
  adopted.delete(id)
}

function add(answer, { message = {}, done, eval_count: tokens, eval_duration: took, created_at: at }) {
  answer.content += message.content ?? ""
  answer.thinking += message.thinking ?? ""
  const now = Date.parse(at)
  if (message.thinking) answer.began ??= now
  if (message.content && answer.began) answer.thought ??= (now - answer.began) / 1000
  if (!done) return
  answer.isWhole = true
  if (took) answer.stats = { tokens, seconds: took / 1e9 } // the server counts in ns
}

/** Stop the answer, here at once and then for all who follow it. */
export function stop(conversation) {
  const answer = conversation.messages.at(-1)
  if (!isAnswering(conversation)) return
  if (answer.id) server.stop(answer.id).catch(() => {}) // out of reach: the server gives up what nobody follows
  finish(conversation, answer)
}

function finish(conversation, answer, error) {
  drop(answer)
  if (answer.ended) return
  answer.ended = error ? "failed" : answer.isWhole ? "done" : "stopped"
  if (error) answer.error = error.message
  delete answer.isLost
  save(conversation)
  hear.ended(conversation, answer)
  hear.changed()
}

/** Keep it, if it is not deleted. */
export function save(conversation) {
  if (!conversations.has(conversation.id)) return
  kept.keep(conversation).catch(() => hear.full())
}

export function remove(conversation) {
  stop(conversation)
  conversations.delete(conversation.id)
  kept.forget(conversation)
}
