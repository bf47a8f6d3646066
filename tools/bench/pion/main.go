// Subscribers made of pion with its default interceptors: what a Go client costs per packet.
//
// Each plays one WHEP resource over a connection and a socket of its own, and reads all packets.
// After the warm-up the packets and the CPU time of this process are counted for the duration, and
// printed as JSON. The exit code is 1 after an error, or if a subscriber did not connect.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

type report struct {
	Subscribers int     `json:"subscribers"`
	Packets     int64   `json:"packets"`
	CPUSeconds  float64 `json:"cpu_s"`
	WallSeconds float64 `json:"wall_s"`
}

var packets, receiving atomic.Int64

func main() {
	url := flag.String("url", "", "WHEP endpoint")
	subscribers := flag.Int("subscribers", 10, "number of connections")
	warmup := flag.Duration("warmup", 3*time.Second, "from the last connection to the window")
	duration := flag.Duration("duration", 10*time.Second, "window")
	flag.Parse()
	result, err := measure(*url, *subscribers, *warmup, *duration)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func measure(url string, subscribers int, warmup, duration time.Duration) (*report, error) {
	api, err := newAPI()
	if err != nil {
		return nil, err
	}
	for n := 0; n < subscribers; n++ {
		connection, err := play(api, url)
		if err != nil {
			return nil, fmt.Errorf("subscriber %d: %w", n+1, err)
		}
		defer connection.Close()
	}
	time.Sleep(warmup)
	if arrived := receiving.Load(); arrived != int64(subscribers) {
		return nil, fmt.Errorf("%d of %d subscribers receive", arrived, subscribers)
	}
	before, start, packetsBefore := cpuSeconds(), time.Now(), packets.Load()
	time.Sleep(duration)
	return &report{
		subscribers, packets.Load() - packetsBefore, cpuSeconds() - before, time.Since(start).Seconds(),
	}, nil
}

// newAPI has the default codecs and interceptors, loopback candidates and AES-128-GCM alone.
func newAPI() (*webrtc.API, error) {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	codecs, interceptors := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := codecs.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	if err := webrtc.RegisterDefaultInterceptors(codecs, interceptors); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(
		webrtc.WithSettingEngine(settings),
		webrtc.WithMediaEngine(codecs),
		webrtc.WithInterceptorRegistry(interceptors),
	), nil
}

func play(api *webrtc.API, url string) (*webrtc.PeerConnection, error) {
	connection, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		receiving.Add(1)
		buffer := make([]byte, 1500)
		for {
			if _, _, err := track.Read(buffer); err != nil {
				return
			}
			packets.Add(1)
		}
	})
	direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := connection.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, direction); err != nil {
		return nil, err
	}
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	gathered := webrtc.GatheringCompletePromise(connection)
	if err := connection.SetLocalDescription(offer); err != nil {
		return nil, err
	}
	<-gathered
	answer, err := post(url, connection.LocalDescription().SDP)
	if err != nil {
		return nil, err
	}
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	return connection, connection.SetRemoteDescription(description)
}

func post(url, offer string) (string, error) {
	response, err := http.Post(url, "application/sdp", bytes.NewBufferString(offer))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusCreated {
		err = fmt.Errorf("HTTP %d: %s", response.StatusCode, text)
	}
	return string(text), err
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
