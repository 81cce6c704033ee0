"use strict"

// A peer of the former JavaScript stack: ssb-server 16 with its plug-ins. {"ebt": false} leaves
// ssb-ebt out, as peers of the first years were: they replicate with createHistoryStream only.
// {"blobs": false} leaves ssb-blobs out, as rooms and bots do. {"viewer": port} adds the web pages of
// ssb-viewer.

const createServer = require("ssb-server")
const { Clock, call, commonMethods, configure, readValues, serve, settings } = require("./control")

const config = configure()
createServer
  .use(require("ssb-private1"))
  .use(require("ssb-gossip"))
  .use(require("ssb-replicate"))
  .use(require("ssb-friends"))
  .use(require("ssb-ooo"))
if (settings.blobs !== false) createServer.use(require("ssb-blobs"))
if (settings.ebt !== false) createServer.use(require("ssb-ebt"))
if (settings.viewer) {
  config.viewer = { host: "127.0.0.1", port: settings.viewer }
  createServer.use(require("ssb-viewer"))
}
const ssb = createServer(config)

const clock = new Clock()

async function load (file) {
  const values = readValues(file)
  await Promise.all(values.map((value) => call(ssb, "add", value)))
  return values.length
}

ssb.getVectorClock((error, feeds) => {
  if (error) throw error
  Object.assign(clock.feeds, feeds)
  ssb.post(({ value }) => clock.added(value.author, value.sequence))
  serve(ssb, {
    ...commonMethods(ssb, clock, (content) => call(ssb, "publish", content)),
    load,
    connect: async (address) => (await call(ssb, "connect", address)).id
  })
})
