// Calls methods of github.com/jlaffaye/ftp, which has passive mode only.
//
//	ftp HOST PORT USER PASSWORD passive "get REMOTE LOCAL"...
//	ftp HOST PORT storm COUNT
//
// storm makes that many connections at the same time, each in its own thread,
// and reads the server's greeting from each.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/jlaffaye/ftp"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func call(server *ftp.ServerConn, words []string) {
	switch words[0] {
	case "get":
		from, err := server.Retr(words[1])
		check(err)
		to, err := os.Create(words[2])
		check(err)
		_, err = io.Copy(to, from)
		check(err)
		check(from.Close())
		check(to.Close())
	case "put":
		from, err := os.Open(words[1])
		check(err)
		check(server.Stor(words[2], from))
	case "list":
		entries, err := server.List(words[1])
		check(err)
		for _, entry := range entries {
			fmt.Println(entry.Name)
		}
	}
}

func greet(at string) error {
	runtime.LockOSThread()
	server, err := net.Dial("tcp", at)
	if err != nil {
		return err
	}
	defer server.Close()
	line, err := bufio.NewReader(server).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "220") {
		err = fmt.Errorf("%s", line)
	}
	return err
}

func storm(at string, count int) {
	ends := make(chan error)
	for i := 0; i < count; i++ {
		go func() { ends <- greet(at) }()
	}
	for i := 0; i < count; i++ {
		check(<-ends)
	}
	fmt.Println("all", count)
}

func main() {
	at := net.JoinHostPort(os.Args[1], os.Args[2])
	if os.Args[3] == "storm" {
		count, err := strconv.Atoi(os.Args[4])
		check(err)
		storm(at, count)
		return
	}
	server, err := ftp.Dial(at)
	check(err)
	check(server.Login(os.Args[3], os.Args[4]))
	for _, one := range os.Args[6:] {
		call(server, strings.Split(one, " "))
	}
	check(server.Quit())
}
