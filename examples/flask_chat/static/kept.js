// Conversations, in the browser. Each has an entry of its own, so that two tabs do not overwrite each other's.
//
// A conversation: {id, model, changed, messages}. A message: {role, content}, and of an answer {thinking, model, ended, error, stats}.

const PREFIX = "chat:"

export function fresh(model) {
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`
  return { id, model, changed: Date.now(), messages: [] }
}

/** All that are kept, the latest first. */
export function all() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))
  return keys.map((key) => JSON.parse(localStorage.getItem(key))).sort((a, b) => b.changed - a.changed)
}

/** @throws {DOMException} the browser keeps no more */
export function keep(conversation) {
  localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation))
}

export function forget(conversation) {
  localStorage.removeItem(PREFIX + conversation.id)
}

/** Call `changed(id, conversation)` when another tab has kept one, or forgotten it: then without the second. */
export function watch(changed) {
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key?.startsWith(PREFIX)) changed(key.slice(PREFIX.length), newValue ? JSON.parse(newValue) : undefined)
  })
}
