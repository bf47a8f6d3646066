// A subscriber made of pion with its default settings, written by docs/protocol.md.
//
// It joins a room, answers the offers of the subscribe connection and receives packets until there
// are enough of each kind; prints a=setup of its answer and the packets as JSON. The exit code is 1
// after an error or the time limit.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"
)

type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      int             `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

type offer struct {
	SDP     string `json:"sdp"`
	Version int    `json:"version"`
}

type report struct {
	Setup   string         `json:"setup"`
	Packets map[string]int `json:"packets"`
}

var setupLine = regexp.MustCompile(`a=setup:(\w+)`)

func main() {
	url := flag.String("url", "", "WebSocket of the server")
	room := flag.String("room", "", "room to join")
	packets := flag.Int("packets", 50, "packets of each kind to wait for")
	limit := flag.Duration("limit", 20*time.Second, "time limit")
	flag.Parse()

	time.AfterFunc(*limit, func() { fail(fmt.Errorf("not done after %v", *limit)) })
	result, err := receive(*url, *room, *packets)
	if err != nil {
		fail(err)
	}
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func receive(url, room string, packets int) (*report, error) {
	socket, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	connection, err := newConnection()
	if err != nil {
		return nil, err
	}
	defer connection.Close()

	arrivals := make(chan string, 256)
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			arrivals <- track.Kind().String()
		}
	})
	setups, failures := make(chan string, 1), make(chan error, 1)
	go func() { failures <- answerOffers(socket, connection, room, setups) }()

	result := &report{Packets: map[string]int{}}
	for result.Packets["audio"] < packets || result.Packets["video"] < packets {
		select {
		case kind := <-arrivals:
			result.Packets[kind]++
		case result.Setup = <-setups:
		case err := <-failures:
			return nil, err
		}
	}
	return result, nil
}

// newConnection gathers loopback candidates, unlike webrtc.NewPeerConnection: a test machine may
// have no other address.
func newConnection() (*webrtc.PeerConnection, error) {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	codecs := &webrtc.MediaEngine{}
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs))
	return api.NewPeerConnection(webrtc.Configuration{})
}

// answerOffers joins and answers offers until the WebSocket fails.
func answerOffers(
	socket *websocket.Conn, connection *webrtc.PeerConnection, room string, setups chan<- string,
) error {
	if err := call(socket, 1, "join", map[string]any{"sid": room, "uid": "pion"}); err != nil {
		return err
	}
	for {
		batch, err := read(socket)
		if err != nil {
			return err
		}
		for _, entry := range batch {
			if entry.Error != nil {
				return fmt.Errorf("refused: %s", entry.Error)
			}
			if entry.Method != "offer" {
				continue
			}
			setup, err := answer(socket, connection, entry.Params)
			if err != nil {
				return err
			}
			select {
			case setups <- setup:
			default:
			}
		}
	}
}

func answer(
	socket *websocket.Conn, connection *webrtc.PeerConnection, params json.RawMessage,
) (string, error) {
	var received offer
	if err := json.Unmarshal(params, &received); err != nil {
		return "", err
	}
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: received.SDP}
	if err := connection.SetRemoteDescription(remote); err != nil {
		return "", err
	}
	local, err := connection.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	if err := connection.SetLocalDescription(local); err != nil {
		return "", err
	}
	desc := map[string]string{"type": "answer", "sdp": local.SDP}
	setup := setupLine.FindStringSubmatch(local.SDP)
	if setup == nil {
		return "", fmt.Errorf("an answer without a=setup: %s", local.SDP)
	}
	reply := map[string]any{"desc": desc, "version": received.Version}
	return setup[1], call(socket, received.Version+1, "answer", reply)
}

func call(socket *websocket.Conn, id int, method string, params any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return socket.WriteJSON(message{JSONRPC: "2.0", ID: id, Method: method, Params: text})
}

// read returns the JSON-RPC messages of one WebSocket message, which may be a batch.
func read(socket *websocket.Conn) ([]message, error) {
	_, text, err := socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	var batch []message
	if json.Unmarshal(text, &batch) == nil {
		return batch, nil
	}
	var single message
	err = json.Unmarshal(text, &single)
	return []message{single}, err
}
