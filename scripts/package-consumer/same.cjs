// require() and import give the same module, so an error of one is an instance of the class of the other.
async function main() {
  const entries = ['glyphcase', 'glyphcase/sdk', 'glyphcase/channel', 'glyphcase/testing', 'glyphcase/react'];
  const same = [];
  for (const entry of entries) {
    const [required, imported] = [require(entry), await import(entry)];
    const names = Object.keys(imported).filter((name) => name !== 'module.exports');
    if (names.length > 0 && names.every((name) => required[name] === imported[name])) same.push(entry);
  }
  console.log(same.join(' '));
}

main();
