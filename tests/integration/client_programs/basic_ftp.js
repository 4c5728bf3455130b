// Calls methods of the npm package basic-ftp, which has passive mode only.
//
//	basic_ftp.js HOST PORT USER PASSWORD passive "get REMOTE LOCAL"...
const ftp = require("basic-ftp");

async function main([host, port, user, password, , ...calls]) {
	const client = new ftp.Client(20000);
	await client.access({ host, port: Number(port), user, password });
	for (const call of calls) {
		const words = call.split(" ");
		if (words[0] == "get")
			await client.downloadTo(words[2], words[1]);
		else if (words[0] == "put")
			await client.uploadFrom(words[1], words[2]);
		else
			for (const one of await client.list(words[1]))
				console.log(one.name);
	}
	client.close();
}

main(process.argv.slice(2)).catch((error) => {
	console.log(error);
	process.exit(1);
});
