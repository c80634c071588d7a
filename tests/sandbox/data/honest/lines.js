// stdin: "3\n1 2 3\n"
// stdout: "6\n"
const [, line] = require("fs").readFileSync(0, "utf8").split("\n");
console.log(line.split(" ").map(Number).reduce((a, b) => a + b));
