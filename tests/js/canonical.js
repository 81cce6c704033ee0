// Answers, for each line of base64 on standard input, what V8 makes of the JSON text in it: one line
// with the compact and the indented text, both in base64, or E if it is not JSON.
'use strict'

const base64 = (text) => Buffer.from(text, 'utf8').toString('base64')

const answer = (line) => {
  const text = Buffer.from(line, 'base64').toString('utf8')
  let value
  try {
    value = JSON.parse(text)
  } catch {
    return 'E'
  }
  return `${base64(JSON.stringify(value))} ${base64(JSON.stringify(value, null, 2))}`
}

const lines = require('fs').readFileSync(0, 'latin1').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => answer(line) + '\n').join(''))
