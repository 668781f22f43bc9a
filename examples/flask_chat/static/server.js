// What the page asks of its server: models, and answers, which go on there whether or not a page follows them.

/** An error that the server has told, in words for the reader. */
export class Told extends Error {
  constructor(words, status = 0, cause = undefined) {
    super(words, { cause })
    this.status = status
  }
}

/** The names of the models. */
export async function models() {
  const response = await reach("models", {})
  return response.json()
}

/** Ask a model: the id of its answer, by which any tab can follow it. */
export async function start(request) {
  const response = await reach("answers", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  })
  return (await response.json()).id
}

export async function stop(id) {
  await reach(`answers/${id}`, { method: "DELETE" })
}

/**
 * Follow an answer from its beginning, through lost connections, until its end. Returns what ends that.
 *
 * The browser comes back by itself and says which event was its last. Where it gives up, because a proxy answered in the
 * server's place for one, the answer is followed anew: then `begin` is called again, and all parts come once more.
 *
 * @param hear {{begin(), part(part), end(error), lost(isLost)}} `error` is a Told, or missing
 */
export function follow(id, hear) {
  let source, waiting, isOver = false
  const events = `answers/${id}`

  function open() {
    clearTimeout(waiting)
    let hasBegun = false
    source = new EventSource(events)
    source.onopen = () => hear.lost(false)
    source.onmessage = ({ data }) => {
      if (!hasBegun) hear.begin()
      hasBegun = true
      hear.part(JSON.parse(data))
    }
    source.addEventListener("end", () => finish())
    source.addEventListener("error", ({ data }) => {
      if (data) return finish(new Told(JSON.parse(data).message)) // of the server; the others are the browser's own
      hear.lost(true)
      if (source.readyState === EventSource.CLOSED) ask()
    })
  }

  /** Why the browser has given up: the server no longer has the answer, or it cannot be reached now. */
  async function ask() {
    const looking = new AbortController()
    try {
      await reach(events, { signal: looking.signal })
      looking.abort()
    } catch (error) {
      if (isOver) return
      if ([401, 403, 404, 410].includes(error.status)) return finish(new Told("the server no longer has this answer", error.status))
    }
    if (!isOver) waiting = setTimeout(open, RETRY)
  }

  // A connection that a lost network has left behind may stay silent for ever, and the browser would not notice.
  function again() {
    source.close()
    open()
  }
  const gone = () => hear.lost(true)
  window.addEventListener("online", again)
  window.addEventListener("offline", gone)

  function finish(error) {
    if (isOver) return
    close()
    hear.end(error)
  }

  function close() {
    isOver = true
    clearTimeout(waiting)
    source.close()
    window.removeEventListener("online", again)
    window.removeEventListener("offline", gone)
  }

  open()
  return close
}

const RETRY = 1000 // ms

async function reach(path, request) {
  let response
  try {
    response = await fetch(path, request)
  } catch (error) {
    throw new Told("the server of this page cannot be reached", 0, error)
  }
  if (response.ok) return response
  const said = await response.json().catch(() => ({}))
  throw new Told(said.error ?? `the server of this page says ${response.status} ${response.statusText}`, response.status)
}
