// An SSH server made with gliderlabs/ssh that forwards, and does nothing else.
//
//	gliderlabs ADDRESS PORT HOST_KEY
//
// Its forwards are the library's own: they copy, then close.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"github.com/gliderlabs/ssh"
)

func main() {
	forwarded := &ssh.ForwardedTCPHandler{}
	allow := func(ctx ssh.Context, host string, port uint32) bool {
		return true
	}
	server := &ssh.Server{
		ChannelHandlers: map[string]ssh.ChannelHandler{
			"session":      ssh.DefaultSessionHandler,
			"direct-tcpip": ssh.DirectTCPIPHandler,
		},
		RequestHandlers: map[string]ssh.RequestHandler{
			"tcpip-forward":        forwarded.HandleSSHRequest,
			"cancel-tcpip-forward": forwarded.HandleSSHRequest,
		},
		LocalPortForwardingCallback:   allow,
		ReversePortForwardingCallback: allow,
		PublicKeyHandler: func(ctx ssh.Context, key ssh.PublicKey) bool {
			return true
		},
		Handler: func(session ssh.Session) {
			fmt.Fprintln(session, "no shell here")
		},
	}
	if err := server.SetOption(ssh.HostKeyFile(os.Args[3])); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening")
	log.Fatal(server.Serve(listener))
}
