// Small things that every part of the page needs: elements by name, what a screen reader is told, and copying.

export function byId(id) {
  return document.getElementById(id)
}

/** Have it read out. */
export function announce(words) {
  const line = document.createElement("p")
  line.textContent = words
  byId("announcer").append(line)
}

/** Show a notice above the composer, with a button to do it again; nothing, to take it away. */
export function tell(words, again) {
  const notice = byId("notice")
  const [line, button] = [notice.querySelector("span"), notice.querySelector("button")]
  if (line.textContent !== words) line.textContent = words // said again it would be read out again
  button.hidden = !again
  button.onclick = again
  notice.hidden = !words
}

/** Copy a text, and say so on the button that was pressed. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    copyOldWay(text) // without TLS only localhost has a clipboard
  }
  announce("Copied")
  button.classList.add("copied")
  setTimeout(() => button.classList.remove("copied"), 1500)
}

function copyOldWay(text) {
  const field = document.createElement("textarea")
  field.className = "hidden"
  field.value = text
  const focused = document.activeElement
  document.body.append(field)
  field.select()
  document.execCommand("copy")
  field.remove()
  focused?.focus()
}

/** Give the reader a file. */
export function download(name, type, text) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

export function hidden(words) {
  const made = document.createElement("span")
  made.className = "hidden"
  made.textContent = words
  return made
}
