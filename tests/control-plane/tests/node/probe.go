// What the pods of these tests run.
//
//	serve PORT    answers every connection with its own hostname
//	ask ADDRESS   asks until it has an answer, prints it and ends
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: probe serve PORT | ask ADDRESS")
		os.Exit(2)
	}
	if os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	for {
		answer, err := ask(os.Args[2])
		if err == nil && answer != "" {
			fmt.Println(answer)
			return
		}
		fmt.Fprintln(os.Stderr, "no answer:", err)
		time.Sleep(200 * time.Millisecond)
	}
}

func serve(port string) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	name, _ := os.Hostname()
	fmt.Println("serving as", name)
	for {
		connection, err := listener.Accept()
		if err == nil {
			fmt.Fprint(connection, name)
			connection.Close()
		}
	}
}

func ask(address string) (string, error) {
	connection, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(2 * time.Second))
	answer, err := io.ReadAll(connection)
	return string(answer), err
}
