// What the reader writes: the text, and pictures that are dropped, pasted or chosen.

import { picture } from "./message.js"
import { byId, tell } from "./words.js"

const question = byId("question")
let pictures = [] // JPEG, base64

const LARGEST = 1536 // pixels of a side: models see no more, and it is sent with each question

/** Call `send` when the reader sends, and give it the words and pictures; where it returns true, they are taken away. */
export function listen(send) {
  const submit = () => {
    const content = question.value.trim()
    if (!content && !pictures.length) return
    if (!send(content, pictures)) return
    question.value = ""
    pictures = []
    draw()
  }
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault()
    submit()
  })
  question.addEventListener("keydown", (event) => {
    // While a word is composed, as in Japanese, Enter ends the word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    submit()
  })
  byId("attach").addEventListener("click", () => byId("files").click())
  byId("files").addEventListener("change", ({ target }) => {
    add([...target.files])
    target.value = ""
  })
  question.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files]
    if (!files.length) return
    event.preventDefault()
    add(files)
  })
  listenToDrops()
}

function listenToDrops() {
  let depth = 0 // entered and not left: each element on the way says both
  const show = (by) => document.body.classList.toggle("dropping", (depth = Math.max(0, depth + by)) > 0)
  const brings = (event) => event.dataTransfer?.types.includes("Files")
  window.addEventListener("dragenter", (event) => { if (brings(event)) show(1) })
  window.addEventListener("dragleave", (event) => { if (brings(event)) show(-1) })
  window.addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault() })
  window.addEventListener("drop", (event) => {
    if (!brings(event)) return
    event.preventDefault() // the browser would leave the page for the file
    show(-depth)
    add([...event.dataTransfer.files])
  })
}

async function add(files) {
  tell("")
  for (const file of files) {
    try {
      pictures.push(await jpeg(file))
    } catch {
      tell(`“${file.name}” is no picture that this browser can read.`)
    }
  }
  draw()
  question.focus()
}

/** A file as base64 of a JPEG of moderate size: every model takes it, and where a photo was taken is no longer in it. */
async function jpeg(file) {
  if (!file.type.startsWith("image/") || file.type.includes("svg")) throw new TypeError(file.type)
  const image = await createImageBitmap(file)
  const scale = Math.min(1, LARGEST / Math.max(image.width, image.height))
  const canvas = new OffscreenCanvas(Math.ceil(image.width * scale), Math.ceil(image.height * scale))
  const context = canvas.getContext("2d")
  context.fillStyle = "white" // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(image, 0, 0, canvas.width, canvas.height)
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 })
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
  return url.slice(url.indexOf(",") + 1)
}

function draw() {
  byId("pictures").hidden = !pictures.length
  byId("pictures").replaceChildren(...pictures.map((data, at) => {
    const item = document.createElement("li")
    const button = document.createElement("button")
    button.type = "button"
    button.ariaLabel = `Remove picture ${at + 1}`
    button.title = "Remove"
    button.append(picture(data, `Picture ${at + 1}`))
    button.onclick = () => {
      pictures.splice(at, 1)
      draw()
      question.focus()
    }
    item.append(button)
    return item
  }))
}
