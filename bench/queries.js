"use strict"

// ssb-db2 on a log that folding.js has made: reads {"path", "secret", "own", "author", "root",
// "liked", "runs"} from its argument, answers one JSON object: seconds until each question was asked
// once (indexes are made then), greatest memory, and for each the milliseconds of each later run.
//
// Questions for messages go to ssb-db2 alone. Pages are made by ssb-threads, as Manyverse has it,
// with ssb-friends to leave out the blocked and ssb-about-self for what somebody says of themselves.

const pull = require("pull-stream")
const asking = require("./asking")
const { ask, questions } = require("./questions")

const asked = JSON.parse(process.argv[2])
const plugins = ["ssb-db2/full-mentions", "ssb-friends", "ssb-about-self", "ssb-threads"]
const ssb = asking.open(asked, ...plugins)

const PAGE = 12
const POSTS = { allowlist: ["post"] }
const CARD = { ...POSTS, threadMaxSize: 3 }

const PAGES = {
  "a page of 12 threads": threads(() => ssb.threads.public({ ...CARD, following: true })),
  "a page of a thread": threads(() => ssb.threads.thread({ ...POSTS, root: asked.root })),
  "a page of a profile": profile,
  "a page of a channel": threads(() => ssb.threads.hashtagSummary({ ...POSTS, hashtag: "gardening" }))
}

function threads (source) {
  return () => new Promise((resolve, reject) => {
    pull(source(), pull.take(PAGE), pull.collect((error, found) => {
      if (error) reject(error)
      else resolve(found.length)
    }))
  })
}

// Their threads, what they say of themselves, and how they and I see each other.
async function profile () {
  const them = asked.author
  const both = [{ source: asked.own, dest: them }, { source: them, dest: asked.own }]
  const answers = [told((done) => ssb.aboutSelf.get(them, done))]
  for (const ways of both) {
    answers.push(told((done) => ssb.friends.isFollowing(ways, done)))
    answers.push(told((done) => ssb.friends.isBlocking(ways, done)))
  }
  await Promise.all(answers)
  return threads(() => ssb.threads.profile({ ...CARD, id: them }))()
}

function told (call) {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error ? reject(error) : resolve(answer)))
  })
}

asking.tell(async () => {
  const began = Date.now()
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  const all = { ...PAGES }
  for (const [name, question] of Object.entries(questions(asked))) all[name] = () => ask(ssb, question)
  for (const question of Object.values(all)) await question()
  const ready = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(all)) {
    answers[name] = await asking.ask(question, asked.runs)
  }
  return {
    seconds: (ready - began) / 1000,
    memory_mib: process.resourceUsage().maxRSS / 1024,
    answers
  }
})
