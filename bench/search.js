"use strict"

// ssb-db2 with ssb-search2 on a file of messages: reads {"path", "lines", "questions", "runs"} from
// its argument, answers one JSON object: seconds to load and to index, and for each question the
// milliseconds of each run, the CPU time of one and how many messages were found.

const fs = require("fs")
const { where, and, author, descending, paginate, toCallback } = require("ssb-db2/operators")
const asking = require("./asking")

const PAGE = 20

const asked = JSON.parse(process.argv[2])
const ssb = asking.open(asked, "ssb-search2")

function ask (question) {
  const words = ssb.search2.operator(question.words)
  const what = question.author ? and(words, author(question.author)) : words
  return new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(PAGE), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.total)
    }))
  })
}

function size (folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const place = `${folder}/${entry.name}`
    return sum + (entry.isDirectory() ? size(place) : fs.statSync(place).size)
  }, 0)
}

asking.tell(async () => {
  const began = Date.now()
  await asking.load(ssb, asked.lines)
  const loaded = Date.now()
  await new Promise((resolve) => ssb.db.onDrain("search2", resolve))
  const indexed = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(asked.questions)) {
    answers[name] = await asking.ask(() => ask(question), asked.runs)
  }
  return {
    load_s: (loaded - began) / 1000,
    index_s: (indexed - loaded) / 1000,
    index_bytes: size(`${asked.path}/db2/indexes/search2`),
    answers
  }
})
