-- Keeps orders.total equal to the sum of the order's items, and tells the host of new and shipped orders.
--
-- Every total is computed afresh from the items as they are, never by adding a difference: a change that is handled late,
-- or an order whose total somebody edited by hand, then ends at the same right number.

local orders, items = glyphcase.config.orders, glyphcase.config.items

local function quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

local SUM = string.format(
  "SELECT ifnull(sum(%s * %s), 0) FROM %s WHERE %s = ?",
  quote(items.price), quote(items.quantity), quote(items.table), quote(items.order)
)
local STORED = string.format("SELECT %s AS total FROM %s WHERE %s = ?", quote(orders.total), quote(orders.table), quote(orders.id))
local BY_ID = quote(orders.id) .. " = ?"

-- Brings one order's total up to date; returns it.
local function settle(order_id)
  if order_id == nil then return nil end -- an item that belongs to no order
  local total = glyphcase.queryScalar(SUM, { order_id })
  local order = glyphcase.queryOne(STORED, { order_id })
  -- Writing only what differs keeps other skills' hooks and everybody's watchers quiet, and ends the chain: this skill
  -- watches the very table it writes.
  if order and order.total ~= total then
    glyphcase.updateWhere(orders.table, BY_ID, { order_id }, { [orders.total] = total })
  end
  return total
end

local function order_changed(operation, row, event)
  local id = row[orders.id]
  if operation == "INSERT" then
    glyphcase.dispatch("order:created", { orderId = id, userId = row[orders.user], total = settle(id) })
  elseif operation == "UPDATE" then
    settle(id)
    -- "Became", not "is": an order that was shipped last week is not announced again when its total changes today.
    if row[orders.status] == glyphcase.config.shipped and event.old_data[orders.status] ~= glyphcase.config.shipped then
      glyphcase.dispatch("order:shipped", { orderId = id })
    end
  end
end

local function item_changed(event)
  local before = event.old_data and event.old_data[items.order]
  local after = event.new_data and event.new_data[items.order]
  settle(after)
  if before ~= after then settle(before) end -- the item moved to another order, or is gone
end

function on_data_changed(table_name, operation, row, event)
  if table_name:lower() == items.table:lower() then
    item_changed(event)
  else
    order_changed(operation, row, event)
  end
end

-- Orders that were there before the skill came are put right once: in on_activate, because what it does is one transaction
-- with the moment from which on the skill hears of changes. An update that changes nothing is no change.
local is_new = false

function on_install()
  is_new = true
end

function on_activate()
  if not is_new then return end
  local orders_table = quote(orders.table)
  local sum = SUM:gsub("%?$", function() return orders_table .. "." .. quote(orders.id) end)
  glyphcase.execute(string.format("UPDATE %s SET %s = (%s)", orders_table, quote(orders.total), sum))
end
