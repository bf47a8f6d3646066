// A member of the audience made of pion with its default settings, written by docs/protocol.md.
//
// Joins a room, answers the offers of the subscribe connection and counts packets until there were
// enough of each kind; prints what it answered and received as JSON. Ends with 1 where that takes
// too long or anything fails.
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
	enough := flag.Int("packets", 50, "packets of each kind to wait for")
	limit := flag.Duration("limit", 20*time.Second, "time to wait for them")
	flag.Parse()

	time.AfterFunc(*limit, func() { fail(fmt.Errorf("not done after %v", *limit)) })
	result, err := listen(*url, *room, *enough)
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

func listen(url, room string, enough int) (*report, error) {
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
	for result.Packets["audio"] < enough || result.Packets["video"] < enough {
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

// newConnection differs from webrtc.NewPeerConnection in gathering 127.0.0.1 too: a test machine
// may have no other address.
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

// answerOffers joins and serves the WebSocket until it fails.
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
		for _, one := range batch {
			if one.Error != nil {
				return fmt.Errorf("refused: %s", one.Error)
			}
			if one.Method != "offer" {
				continue
			}
			setup, err := answer(socket, connection, one.Params)
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
	var given offer
	if err := json.Unmarshal(params, &given); err != nil {
		return "", err
	}
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: given.SDP}
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
	reply := map[string]any{"desc": desc, "version": given.Version}
	return setup[1], call(socket, given.Version+1, "answer", reply)
}

func call(socket *websocket.Conn, id int, method string, params any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return socket.WriteJSON(message{JSONRPC: "2.0", ID: id, Method: method, Params: text})
}

// read returns the messages of a frame, which may be a batch.
func read(socket *websocket.Conn) ([]message, error) {
	_, text, err := socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	var batch []message
	if json.Unmarshal(text, &batch) == nil {
		return batch, nil
	}
	var one message
	err = json.Unmarshal(text, &one)
	return []message{one}, err
}
