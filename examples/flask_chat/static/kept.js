// Conversations, in the browser's database: pictures would not fit into its local storage. All tabs hear of each change.
//
// A conversation: {id, changed, messages, model, title, system, options, think}; the last four may be missing.
// A question: {role, content, images}. An answer: {role, content, thinking, model, id, ended, error, stats, thought}:
// `id` is the server's, and `ended` is missing until it is "done", "stopped" or "failed".

const STORE = "conversations"
const others = new BroadcastChannel("chat")
const database = promised(Object.assign(indexedDB.open("chat", 1), {
  onupgradeneeded: ({ target }) => target.result.createObjectStore(STORE, { keyPath: "id" }),
}))

export function fresh(model) {
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`
  return { id, model, changed: Date.now(), messages: [] }
}

/** All that are kept. */
export function all() {
  return within("readonly", (store) => store.getAll())
}

/** @throws {DOMException} the browser keeps no more */
export async function keep(conversation) {
  await within("readwrite", (store) => store.put(conversation))
  others.postMessage({ id: conversation.id, conversation })
}

export async function forget({ id }) {
  await within("readwrite", (store) => store.delete(id))
  others.postMessage({ id })
}

/** Call `changed(id, conversation)` when another tab has kept one, or forgotten it: then without the second. */
export function watch(changed) {
  others.onmessage = ({ data }) => changed(data.id, data.conversation)
}

async function within(mode, ask) {
  const transaction = (await database).transaction(STORE, mode)
  const result = ask(transaction.objectStore(STORE))
  await promised(transaction, "oncomplete")
  return result.result
}

function promised(request, success = "onsuccess") {
  return new Promise((resolve, reject) => {
    request[success] = () => resolve(request.result)
    request.onerror = request.onabort = () => reject(request.error)
  })
}
