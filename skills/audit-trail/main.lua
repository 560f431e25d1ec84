-- One row in audit_trail for every change of the watched tables, in the order in which they happened.
--
-- A call and the mark of how far the skill has come are one transaction: nothing is missed or written twice, also when the
-- process dies in between.

local images = require("images")

local INSERT = [[
  INSERT INTO audit_trail(at, source, transaction_id, seq, table_name, row_id, operation, changed_columns, old_values, new_values)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]]

-- seq counts from 1 again in a file that GlyphCase was detached from; with the time it is unique for good.
function on_install()
  glyphcase.execute([[
    CREATE TABLE IF NOT EXISTS audit_trail (
      id INTEGER PRIMARY KEY,
      at TEXT NOT NULL,
      source TEXT NOT NULL,
      transaction_id TEXT NOT NULL,
      seq INTEGER NOT NULL,
      table_name TEXT NOT NULL,
      row_id,
      operation TEXT NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
      changed_columns TEXT,
      old_values TEXT,
      new_values TEXT
    );
    CREATE UNIQUE INDEX IF NOT EXISTS audit_trail_seq ON audit_trail(seq, at);
    CREATE INDEX IF NOT EXISTS audit_trail_row ON audit_trail(table_name, row_id);
  ]])
end

-- A key of several columns is kept as a JSON list.
local function stored_key(row_id)
  return type(row_id) == "table" and images.list(row_id) or row_id
end

function on_data_changed(table_name, operation, _, event)
  if table_name:lower() == "audit_trail" then return end -- a trail of the trail would never end
  glyphcase.execute(
    INSERT,
    os.date("!%Y-%m-%d %H:%M:%S", event.timestamp),
    event.source,
    event.transaction_id,
    event.seq,
    table_name,
    stored_key(event.row_id),
    operation,
    event.changed_columns and images.list(event.changed_columns),
    event.old_data and images.row(event.old_data, event.changed_columns, event.old_blobs),
    event.new_data and images.row(event.new_data, event.changed_columns, event.new_blobs)
  )
end

-- What happened to one row, newest first: { seq=, at=, source=, transaction_id=, operation=, changed_columns=, old_values=,
-- new_values= }. The key of a table with several key columns is a list, in the order of the key.
function history(table_name, row_id, limit)
  if type(table_name) ~= "string" or row_id == nil then error("history(table_name, row_id, limit): a table's name and a row's key are needed", 2) end
  local rows = glyphcase.query(
    [[SELECT seq, at, source, transaction_id, operation, changed_columns, old_values, new_values FROM audit_trail
      WHERE table_name = ? AND row_id = ? ORDER BY id DESC LIMIT ?]],
    table_name, stored_key(row_id), math.max(1, math.min(math.tointeger(limit) or 100, 1000))
  )
  for _, row in ipairs(rows) do
    for _, name in ipairs({ "changed_columns", "old_values", "new_values" }) do
      row[name] = row[name] and json.decode(row[name])
    end
  end
  return #rows > 0 and rows or json.array()
end
