// What the page asks of its server.

/** An error that the server has told, in words for the reader. */
export class Told extends Error {}

/** The names of the models. */
export async function models() {
  const response = await reach("models", {})
  return response.json()
}

/**
 * The answer to `messages`: lists of parts, each list as soon as it has come. Aborting `signal` stops the model.
 *
 * @throws {Told} what went wrong, at its beginning or in its midst
 */
export async function* answer(model, messages, signal) {
  const response = await reach("chat", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages }),
    signal,
  })
  let isDone = false
  for await (const lines of linesOf(response, signal)) {
    const parts = lines.map((line) => JSON.parse(line))
    const failed = parts.find((part) => part.error)
    yield parts.filter((part) => part.message)
    if (failed) throw new Told(failed.error)
    isDone ||= parts.some((part) => part.done)
  }
  if (!isDone) throw new Told("the answer broke off")
}

async function reach(path, request) {
  let response
  try {
    response = await fetch(path, request)
  } catch (error) {
    throw told(error, request.signal, "the server of this page cannot be reached")
  }
  if (response.ok) return response
  const said = await response.json().catch(() => ({}))
  throw new Told(said.error ?? `the server of this page says ${response.status} ${response.statusText}`)
}

// Lists of lines, as they come. Empty lines are heartbeats.
async function* linesOf(response, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw told(error, signal, "the connection broke off")
    })
    if (done) return
    const lines = (rest + value).split("\n")
    rest = lines.pop()
    yield lines.filter(Boolean)
  }
}

function told(error, signal, words) {
  return signal?.aborted ? error : new Told(words, { cause: error })
}
