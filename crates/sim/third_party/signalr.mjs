// @microsoft/signalr, unchanged, against the simulator: negotiated and not, every hub event, an order's whole life.

import * as signalR from '@microsoft/signalr'

const broker = JSON.parse(process.argv[2])
const PATIENCE_MS = 60_000
const shown = (what) => console.log(`ok  ${what}`)

async function post(path, body, token) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }
  const answer = await fetch(`${broker.api_url}/api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const read = await answer.json()
  if (!read.success) throw new Error(`${path}: ${JSON.stringify(read)}`)
  return read
}

const within = (promise, what) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`never came: ${what}`)), PATIENCE_MS).unref())])

async function live(hub, options, token, name, subscriptions, events) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${hub.replace(/^ws/, 'http')}?access_token=${token}`, options)
    .configureLogging(signalR.LogLevel.Error)
    .build()
  const heard = events.map((event) => {
    const came = new Promise((resolve) => connection.on(event, resolve))
    return { event, came }
  })
  await connection.start()
  for (const [method, ...rest] of subscriptions) await connection.invoke(method, ...rest)
  shown(`${name}: connected and subscribed`)
  return { connection, heard }
}

const { token } = await post('Auth/loginKey', { userName: broker.user_name, apiKey: broker.api_key })
const { accounts } = await post('Account/search', { onlyActiveAccounts: true }, token)
const { contracts } = await post('Contract/search', { searchText: 'ES', live: false }, token)
const account = accounts[0].id
const contract = contracts.find((found) => found.id.startsWith('CON.F.US.EP.')).id
const skip = { skipNegotiation: true, transport: signalR.HttpTransportType.WebSockets }
const ways = [
  ['without negotiation', skip],
  ['negotiated', {}],
]
const user = ['GatewayUserAccount', 'GatewayUserOrder', 'GatewayUserPosition', 'GatewayUserTrade']
const market = ['GatewayQuote', 'GatewayTrade', 'GatewayDepth']

for (const [way, options] of ways) {
  const both = await Promise.all([
    live(broker.user_hub_url, options, token, `user hub ${way}`,
      [['SubscribeAccounts'], ['SubscribeOrders', account], ['SubscribePositions', account], ['SubscribeTrades', account]], user),
    live(broker.market_hub_url, options, token, `market hub ${way}`,
      [['SubscribeContractQuotes', contract], ['SubscribeContractTrades', contract], ['SubscribeContractMarketDepth', contract]], market),
  ])
  const { orderId } = await post('Order/place', { accountId: account, contractId: contract, type: 1, side: 0, size: 1, limitPrice: 1000 }, token)
  await post('Order/modify', { accountId: account, orderId, limitPrice: 1001 }, token)
  await post('Order/cancel', { accountId: account, orderId }, token)
  await post('Order/place', { accountId: account, contractId: contract, type: 2, side: 0, size: 1 }, token)
  await post('Position/closeContract', { accountId: account, contractId: contract }, token)
  shown(`${way}: placed, modified, cancelled, bought, closed`)
  for (const { connection, heard } of both) {
    for (const { event, came } of heard) {
      await within(came, event)
      shown(`${way}: heard ${event}`)
    }
    await connection.stop()
  }
}
